package inventory_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

func TestCheckInit(t *testing.T) {
	for _, c := range []struct {
		init    string
		version int
		host    inventory.CgroupLayout
		refused string
		warned  bool
	}{
		{"systemd", 252, inventory.CgroupsHybrid, "", false}, {"systemd", 255, inventory.CgroupsV1, "", false},
		{"systemd", 256, inventory.CgroupsHybrid, "", true}, {"systemd", 257, inventory.CgroupsV1, "", true},
		{"systemd", 258, inventory.CgroupsHybrid, "can't run", false}, {"systemd", 260, inventory.CgroupsV1, "can't run", false},
		{"systemd", 260, inventory.CgroupsV2, "", false}, {"systemd", 229, inventory.CgroupsV2, "v1 alone", false}, {"systemd", 232, inventory.CgroupsV2, "", false},
		{"systemd", 0, inventory.CgroupsHybrid, "", false}, {"busybox", 0, inventory.CgroupsV1, "", false}, {"", 0, inventory.CgroupsV1, "", false},
		{"systemd", 258, "", "", false},
	} {
		warning, err := inventory.CheckInit(inventory.Image{Init: c.init, InitVersion: c.version}, c.host)
		if (warning != "") != c.warned || (err == nil) != (c.refused == "") || err != nil && (!errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s %d on %s: %v, want %q", c.init, c.version, c.host, err, c.refused)
		}
	}
}

func TestOutdatedImages(t *testing.T) {
	now := time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC)
	images := []inventory.Image{
		{Digest: "sha256:new", Aliases: []string{"debian/12"}, CreatedAt: now.Add(-time.Hour)},
		{Digest: "sha256:old", CreatedAt: now.Add(-100 * 24 * time.Hour)},
		{Digest: "sha256:gone", Aliases: []string{"x"}, CreatedAt: now, ExpiresAt: now},
	}
	containers := []*inventory.Container{
		{Name: "web2", Project: inventory.DefaultProject, Image: "debian/12", ImageDigest: "sha256:old"},
		{Name: "web1", Project: inventory.DefaultProject, Image: "debian/12", ImageDigest: "sha256:new"},
		{Name: "web3", Project: inventory.DefaultProject, Image: "debian/12", ImageDigest: "sha256:old", TrashedAt: now},
		{Name: "web4", Project: inventory.DefaultProject, Image: "no/name", ImageDigest: "sha256:old"},
	}
	var got []string
	for _, o := range inventory.OutdatedImages(images, containers, 90*24*time.Hour, now) {
		got = append(got, o.Container+"|"+o.Image+"|"+o.Current+"|"+o.Why)
	}
	want := "web2|debian/12|sha256:new|debian/12 means another image now\n" +
		"|sha256:old||it is from 2026-01-23\n|x||its time was over on 2026-05-03"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

func TestRemotes(t *testing.T) {
	for address, ok := range map[string]bool{"https://images.example.com": true, "http://10.0.0.1:8443/x": true, "https://u@h/": false,
		"ftp://h": false, "h": false, "https://h/?a": false, "https:///x": false} {
		if err := inventory.CheckRemote("corp", address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	for file, want := range map[string]inventory.Packing{"a.tar.xz": inventory.PackXZ, "a.tgz": inventory.PackGzip, "a.tar": inventory.PackNone, "-": inventory.PackZstd} {
		if got := inventory.PackingOf(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}
