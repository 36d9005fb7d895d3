package lxc

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// sysfs is where the kernel shows its devices.
var sysfs = "/sys"

// gpuKind is a graphics card with all its nodes, usbKind one device on a USB port. Both are found by what
// they are, so that they are the same after the host's next boot.
var (
	gpuKind = nodesKind(inventory.DeviceType{Name: "gpu", Rule: checkMode,
		Doc: "A graphics card of the host: its nodes below /dev/dri.",
		Properties: []inventory.Setting{
			{Name: "id", Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "Its PCI address like 0000:01:00.0; not needed where there is one card."},
			modeProperty}}, findGPU)
	usbKind = nodesKind(inventory.DeviceType{Name: "usb", Required: []string{"id"}, Rule: checkMode,
		Doc: "A USB device of the host: its node below /dev/bus/usb.",
		Properties: []inventory.Setting{
			{Name: "id", Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "Vendor and product like 046d:c52b, as lsusb shows them."},
			{Name: "serial", Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "Its serial number; not needed where there is one of that id."},
			modeProperty}}, findUSB)
)

func sysText(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

// findGPU returns the nodes of one card (sysfs class drm: card0, renderD128; connectors have a dash).
func findGPU(d inventory.Device) ([]node, error) {
	entries, _ := filepath.Glob(filepath.Join(sysfs, "class/drm/*"))
	cards := map[string][]node{}
	for _, dir := range entries {
		major, minor, ok := nodeNumber(sysText(filepath.Join(dir, "dev")))
		card, err := filepath.EvalSymlinks(filepath.Join(dir, "device"))
		if !ok || err != nil {
			continue
		}
		id := filepath.Base(card)
		cards[id] = append(cards[id], node{number{unix.S_IFCHR, major, minor}, "/dev/dri/" + filepath.Base(dir)})
	}
	return onlyOne(d, "graphics card", d.Properties["id"], cards)
}

// findUSB returns the node of one device (sysfs-bus-usb).
func findUSB(d inventory.Device) ([]node, error) {
	id, serial := d.Properties["id"], d.Properties["serial"]
	found := map[string][]node{}
	dirs, _ := filepath.Glob(filepath.Join(sysfs, "bus/usb/devices/*"))
	for _, dir := range dirs {
		major, minor, ok := nodeNumber(sysText(filepath.Join(dir, "dev")))
		own := sysText(filepath.Join(dir, "idVendor")) + ":" + sysText(filepath.Join(dir, "idProduct"))
		if !ok || own != id || serial != "" && sysText(filepath.Join(dir, "serial")) != serial {
			continue
		}
		path := "/dev/bus/usb/" + padded(sysText(filepath.Join(dir, "busnum"))) + "/" + padded(sysText(filepath.Join(dir, "devnum")))
		found[filepath.Base(dir)] = []node{{number{unix.S_IFCHR, major, minor}, path}}
	}
	return onlyOne(d, "USB device "+id, "", found)
}

// padded writes a bus or device number as the names below /dev/bus/usb have it: three digits.
func padded(number string) string { return strings.Repeat("0", max(0, 3-len(number))) + number }

// onlyOne returns the nodes of the one that was asked for by its key, or of the only one.
func onlyOne(d inventory.Device, what, key string, found map[string][]node) ([]node, error) {
	if nodes, ok := found[key]; ok {
		return nodes, nil
	}
	if len(found) == 0 || key != "" {
		return nil, inventory.Errorf(inventory.ErrNotFound, "device %s: the host has no %s%s", d.Name, what, prefixed(" ", key))
	}
	if len(found) > 1 {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"device %s: the host has %d of %s; say which one by its id or serial", d.Name, len(found), what)
	}
	for _, nodes := range found {
		return nodes, nil
	}
	return nil, nil
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
