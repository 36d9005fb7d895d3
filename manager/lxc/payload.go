package lxc

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// payloadPrefix begins the last directory of a container's cgroup that is liblxc's; what lies below
// was made inside.
const payloadPrefix = "lxc.payload."

// A payload is the cgroup of one running container: a directory per hierarchy.
type payload struct {
	layout hierarchies
	dirs   map[string]string // controller, or "" for the unified hierarchy -> directory
	all    []string          // every directory once, named hierarchies included
}

// readPayload finds the cgroup of the container whose init has that pid.
func readPayload(h hierarchies, pid int) (payload, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return payload{}, err
	}
	return parsePayload(h, string(text), payloadPrefix), nil
}

// parsePayload reads a /proc/PID/cgroup text (cgroups(7)). An init like systemd moves itself into
// a child cgroup; the path is cut after the first directory that begins with prefix, which nobody
// inside can make further up.
func parsePayload(h hierarchies, text, prefix string) payload {
	p := payload{layout: h, dirs: map[string]string{}}
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		path, ok := cutAfter(fields[2], prefix)
		if !ok {
			continue
		}
		p.add(fields[1], path)
	}
	return p
}

func (p *payload) add(controllers, path string) {
	if controllers == "" {
		if p.layout.unified != "" {
			p.dirs[""] = filepath.Join(p.layout.unified, path)
			p.all = append(p.all, p.dirs[""])
		}
		return
	}
	if name, ok := strings.CutPrefix(controllers, "name="); ok {
		for _, point := range p.layout.named {
			if filepath.Base(point) == name {
				p.all = append(p.all, filepath.Join(point, path))
			}
		}
		return
	}
	seen := ""
	for controller := range strings.SplitSeq(controllers, ",") {
		point := p.layout.v1[controller]
		if point == "" {
			continue
		}
		p.dirs[controller] = filepath.Join(point, path)
		if seen != point {
			p.all, seen = append(p.all, p.dirs[controller]), point
		}
	}
}

// cutAfter shortens a cgroup path to end with the first directory that begins with prefix.
func cutAfter(path, prefix string) (string, bool) {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, prefix) {
			return strings.Join(parts[:i+1], "/"), true
		}
	}
	return "", false
}

// dir is the directory that holds the files of the controller, "" when there is none.
func (p payload) dir(controller string) string {
	if p.layout.isV1(controller) {
		return p.dirs[controller]
	}
	return p.dirs[""]
}

// read returns the trimmed content of a cgroup file.
func (p payload) read(controller, file string) (string, error) {
	dir := p.dir(controller)
	if dir == "" {
		return "", os.ErrNotExist
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	return strings.TrimSpace(string(text)), err
}

// write sets a cgroup file. The whole value goes in one write(2), as the kernel demands.
func (p payload) write(controller, file, value string) error {
	dir := p.dir(controller)
	if dir == "" {
		return os.ErrNotExist
	}
	return writeCgroup(filepath.Join(dir, file), value)
}

// writeCgroup never creates a file: below a cgroup mount nothing but the kernel does, and in a
// directory that has gone a new file would hide the mistake.
func writeCgroup(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(value)
	return err
}
