package lxc

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lodge/inventory"
)

// The hooks this package has liblxc run.
const (
	hookStart = "start-host"
	hookStop  = "post-stop"
)

// A hookEvent is what one hook had to say.
type hookEvent struct {
	id      inventory.ContainerID
	kind    string // hookStart or hookStop
	target  string // for hookStop: "stop" or "reboot"
	boot    string
	init    process // for hookStart
	monitor process
}

// readSpool returns the events of this boot in the order they happened, with the files that hold
// them. Files of an earlier boot, or that hold nothing of sense, are removed.
func readSpool(dir, boot string) (events []hookEvent, files []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue // being written
		}
		text, err := os.ReadFile(path)
		event, ok := parseHookEvent(string(text))
		if err != nil || !ok || event.boot != boot {
			os.Remove(path)
			continue
		}
		events, files = append(events, event), append(files, path)
	}
	return events, files
}

// parseHookEvent reads the "name=value" lines hook.c writes.
func parseHookEvent(text string) (hookEvent, bool) {
	v := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		v[name] = value
	}
	number := func(name string) uint64 { n, _ := strconv.ParseUint(v[name], 10, 64); return n }
	e := hookEvent{
		id: inventory.ContainerID(v["id"]), kind: v["type"], target: v["target"], boot: v["boot"],
		init:    process{int(number("pid")), number("start")},
		monitor: process{int(number("monitor")), number("monitor_start")},
	}
	return e, e.id != "" && (e.kind == hookStart || e.kind == hookStop)
}
