package lxc_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/lxc"
)

// A machine with two cards and two USB sticks of one kind, as sysfs shows it.
func fakeSysfs(t *testing.T) string {
	dir := t.TempDir()
	file := func(path, text string) { put(t, filepath.Join(dir, path), text+"\n") }
	link := func(from, to string) {
		if err := os.Symlink(filepath.Join(dir, to), filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	for card, id := range map[string]string{"0": "0000:01:00.0", "1": "0000:02:00.0"} {
		file("pci/"+id+"/vendor", "0x10de")
		file("class/drm/card"+card+"/dev", "226:"+card)
		file("class/drm/renderD12"+card+"/dev", "226:12"+card)
		link("class/drm/card"+card+"/device", "pci/"+id)
		link("class/drm/renderD12"+card+"/device", "pci/"+id)
	}
	for port, serial := range map[string]string{"1-1": "AAA", "1-2": "BBB"} {
		for name, text := range map[string]string{"idVendor": "0951", "idProduct": "1666", "serial": serial,
			"busnum": "1", "devnum": port[2:], "dev": "189:" + port[2:]} {
			file("bus/usb/devices/"+port+"/"+name, text)
		}
	}
	return dir
}

func TestHardware(t *testing.T) {
	full, none := fakeSysfs(t), t.TempDir()
	for name, test := range map[string]struct {
		sysfs string
		d     inventory.Device
		want  string
		err   error
	}{
		"a card":           {full, device("g", "gpu", "id=0000:02:00.0"), "/dev/dri/card1=226:1 /dev/dri/renderD121=226:121", nil},
		"which card":       {full, device("g", "gpu"), "", inventory.ErrInvalid},
		"another card":     {full, device("g", "gpu", "id=0000:03:00.0"), "", inventory.ErrNotFound},
		"no card":          {none, device("g", "gpu"), "", inventory.ErrNotFound},
		"a stick":          {full, device("u", "usb", "id=0951:1666", "serial=BBB"), "/dev/bus/usb/001/002=189:2", nil},
		"which stick":      {full, device("u", "usb", "id=0951:1666"), "", inventory.ErrInvalid},
		"no such stick":    {full, device("u", "usb", "id=0951:1667"), "", inventory.ErrNotFound},
		"no USB in kernel": {none, device("u", "usb", "id=0951:1666"), "", inventory.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lxc.FindHardware(test.sysfs, test.d)
			if !errors.Is(err, test.err) || strings.Join(got, " ") != test.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
