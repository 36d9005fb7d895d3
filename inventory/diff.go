package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Diff lists what differs between two desired states of a container, field by field: facts first,
// then labels, devices and settings by name with the effect and risk of each. Either may be nil. Revisions and times
// of change are left out.
func Diff(before, after *Container, table Settings) []EffectLine {
	a, b := describe(before), describe(after)
	var lines []EffectLine
	for i := range b {
		if a[i].value != b[i].value {
			lines = append(lines, EffectLine{Field: b[i].field, Before: a[i].value,
				After: b[i].value, Effect: b[i].effect})
		}
	}
	lines = append(lines, diffMaps("label.", labels(before), labels(after), nil)...)
	lines = append(lines, diffMaps(DeviceField, devices(before), devices(after), nil)...)
	return append(lines, diffMaps("", settings(before), settings(after), table)...)
}

type described struct {
	field, value string
	effect       Effect
}

func describe(c *Container) []described {
	if c == nil {
		c = &Container{}
	}
	return []described{
		{"name", c.Name, EffectRestart}, {"project", c.Project, EffectLive}, {"owner", c.Owner, EffectLive},
		{"purpose", c.Purpose, EffectLive}, {"environment", string(c.Environment), EffectLive},
		{"data class", c.DataClass, EffectLive}, {"ticket", c.Ticket, EffectLive}, {"image",
			c.Image, EffectReplace},
		{"image digest", c.ImageDigest, EffectReplace}, {"pool", c.Pool, EffectReplace},
		{"address", addresses(c, ""), EffectRestart}, {"after", strings.Join(c.After, " "), EffectLive},
		{"intent", string(c.Intent), EffectLive}, {"expires", moment(c.ExpiresAt), EffectLive},
		{"run until", moment(c.RunUntil), EffectLive},
		{"trashed", moment(c.TrashedAt), EffectLive},
	}
}

// addresses are those of the interface of a device, "" for the first one.
func addresses(c *Container, device string) string {
	var out []string
	for _, n := range c.NICs {
		if n.Device != device {
			continue
		}
		for _, ip := range []fmt.Stringer{n.IPv4, n.IPv6} {
			if s := ip.String(); s != "invalid IP" {
				out = append(out, s)
			}
		}
	}
	return strings.Join(out, " ")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func labels(c *Container) map[string]string {
	if c == nil {
		return nil
	}
	return c.Labels
}

// DeviceField begins the field of a line about a device; its name follows.
const DeviceField = "device."

func devices(c *Container) map[string]string {
	lines := map[string]string{}
	if c != nil {
		for _, d := range c.Devices {
			lines[d.Name] = d.String()
			if at := addresses(c, d.Name); at != "" {
				lines[d.Name] += " at " + at
			}
		}
	}
	return lines
}

func settings(c *Container) map[string]string {
	if c == nil {
		return nil
	}
	return c.Settings
}

func diffMaps(prefix string, before, after map[string]string, table Settings) []EffectLine {
	names := slices.Collect(maps.Keys(before))
	names = slices.AppendSeq(names, maps.Keys(after))
	slices.Sort(names)
	var lines []EffectLine
	for _, name := range slices.Compact(names) {
		was, now := shown(before, name), shown(after, name)
		if was != now {
			line := EffectLine{Field: prefix + name, Before: was, After: now, Effect: EffectLive}
			if s, ok := table[name]; ok {
				line.Effect, line.Risk = s.Effect, s.Risk
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// shown is a value as a line has it: one that is there and empty is not one that isn't there.
func shown(values map[string]string, name string) string {
	value, ok := values[name]
	if ok && value == "" {
		return `""`
	}
	return value
}
