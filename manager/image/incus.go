package image

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lodge/inventory"
	"lodge/manager/image/unpack"
)

// A translation is an export's configuration on its way to what it comes to here.
type translation struct{ inventory.Imported }

// containerOf translates an exported configuration; nil where there is none. Every value is a
// stranger's: what becomes a setting is checked like anybody's when the container is made.
func containerOf(m *unpack.Metadata) *inventory.Imported {
	if m == nil || m.Instance == nil {
		return nil
	}
	i := m.Instance
	out := &translation{inventory.Imported{Name: i.Name, Description: i.Description,
		Settings: map[string]string{}, Labels: map[string]string{}}}
	for _, key := range slices.Sorted(maps.Keys(i.Config)) {
		out.config(key, i.Config[key])
	}
	for _, key := range i.Omitted {
		out.leave("config "+key, "a text of several lines; nothing here reads it")
	}
	for _, name := range slices.Sorted(maps.Keys(i.Devices)) {
		out.device(name, i.Devices[name])
	}
	for _, name := range i.Snapshots {
		out.leave("snapshot "+name, "an import takes the present state")
	}
	for _, name := range i.Left {
		out.leave(name, "an import takes the container's own files; make a volume and copy it")
	}
	for _, name := range m.Templates {
		out.leave("template "+name, "no template of an image is run; host name and the like are written at first boot")
	}
	if len(out.Labels) == 0 {
		out.Labels = nil
	}
	return &out.Imported
}

func (o *translation) leave(what, format string, args ...any) {
	o.Left = append(o.Left, inventory.LeftOut{What: what, Why: fmt.Sprintf(format, args...)})
}

// config takes one line of configuration over (Incus, doc/reference/instance_options.md).
func (o *translation) config(key, value string) {
	switch key {
	case "limits.cpu":
		if n := countCPUs(value); n > 0 {
			o.Settings["cpus"] = strconv.Itoa(n)
			return
		}
		o.leave("config "+key, "%q is no number of CPUs", value)
	case "limits.memory":
		if _, err := inventory.ParseBytes(value); err != nil {
			o.leave("config "+key, "%q is no size; a share of the host's memory is another on every host", value)
			return
		}
		o.Settings["memory"] = value
	case "limits.processes":
		o.Settings["processes"] = value
	case "security.nesting":
		if value == "true" {
			o.Settings["security.nesting"] = value
		}
	case "security.privileged":
		if value == "true" {
			o.leave("config "+key, "it runs with ids of its own; 'lodge set' can change that, knowingly")
		}
	default:
		o.other(key, value)
	}
}

// other sorts what has no setting: people's own notes become labels, what the image said of itself
// is with the image, the rest is named.
func (o *translation) other(key, value string) {
	name, own := strings.CutPrefix(key, "user.")
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/"
	switch {
	case strings.HasPrefix(key, "image."):
	case own && name != "" && len(name) <= 63 && strings.Trim(name, letters) == "" && len(value) <= 255:
		o.Labels[name] = value
	default:
		o.leave("config "+key, "there is no setting for it")
	}
}

// countCPUs reads limits.cpu: a number, or the CPUs themselves as 0,2-3.
func countCPUs(value string) int {
	if n, err := strconv.Atoi(value); err == nil {
		return max(n, 0)
	}
	total := 0
	for part := range strings.SplitSeq(value, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || a < 0 || b < a || b > 1<<16 {
			return 0
		}
		total += b - a + 1
	}
	return total
}

// device names a device that was not taken over; the size of the root disk is.
func (o *translation) device(name string, options map[string]string) {
	kind := options["type"]
	what := strings.TrimSpace("device " + name + " (" + kind + ")")
	switch {
	case kind == "disk" && options["path"] == "/":
		if size := options["size"]; size != "" {
			o.Settings["disk"] = size
		}
	case kind == "nic":
		o.leave(what, "it gets an address of its own on a network here")
	case kind == "disk" && options["source"] != "":
		o.leave(what, "%s at %s; 'lodge volume' or 'lodge device add' gives it one here", options["source"], options["path"])
	case kind == "proxy":
		o.leave(what, "%s to %s; 'lodge device add' gives it one here", options["listen"], options["connect"])
	default:
		o.leave(what, "it belongs to the host it came from")
	}
}
