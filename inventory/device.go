package inventory

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// A Device is something of the host that a container has beside its root file system and its network:
// a volume, a folder, a tmpfs. Properties are checked by the row of its type.
type Device struct {
	Name       string            `json:"name" doc:"A DNS label, unique within the container."`
	Type       string            `json:"type" example:"disk"`
	Properties map[string]string `json:"properties,omitempty"`
}

// Properties that more than one package has to know.
const (
	PropertyVolume   = "volume"   // of a disk: the name of a volume in the container's project
	PropertySource   = "source"   // of a disk: a folder of the host
	PropertyPath     = "path"     // where it is inside the container
	PropertyReadOnly = "readonly" // true or false

	PropertyNetwork   = "network"   // of a nic: the name of a network
	PropertyIP        = "ip"        // of a nic: the IPv4 address it is to hold
	PropertyInterface = "interface" // of a nic: its name inside the container
	PropertyNICType   = "nictype"   // of a nic: how it is connected
)

// DeviceNIC is the type of devices that come with an inventory.NIC.
const DeviceNIC = "nic"

// NICTypeP2P is the nictype of a plain pair, which is on no network.
const NICTypeP2P = "p2p"

// A DeviceState is how a device is that is a process of the host's, and had to be started again.
type DeviceState struct {
	Restarts  int       `json:"restarts" doc:"Tries since it last lived for five minutes."`
	RestartAt time.Time `json:"restart_at,omitzero" doc:"When it is tried again; absent while it runs."`
	Reason    string    `json:"reason,omitempty" doc:"Why the last try failed."`
}

// Volume is the name of the volume the device gives to the container, "" for none.
func (d Device) Volume() string { return d.Properties[PropertyVolume] }

// HostPath is the folder of the host the device gives to the container, "" for none.
func (d Device) HostPath() string { return d.Properties[PropertySource] }

// IsReadOnly reports whether the container may only read it.
func (d Device) IsReadOnly() bool { return d.Properties[PropertyReadOnly] == "true" }

// Without returns the device without one of its properties.
func (d Device) Without(property string) Device {
	d.Properties = maps.Clone(d.Properties)
	delete(d.Properties, property)
	return d
}

// Equal reports whether both are the same in every respect.
func (d Device) Equal(e Device) bool {
	return d.Name == e.Name && d.Type == e.Type && maps.Equal(d.Properties, e.Properties)
}

// String writes the device as one line, like "disk path=/srv volume=data".
func (d Device) String() string {
	words := []string{d.Type}
	for _, name := range slices.Sorted(maps.Keys(d.Properties)) {
		words = append(words, name+"="+d.Properties[name])
	}
	return strings.Join(words, " ")
}

// A DeviceType is one row of the device table, exported by the package that gives such devices to
// containers. Checks, help, plans and the manual read this row.
type DeviceType struct {
	Name       string
	Properties []Setting // name, type, default, range, risk and doc of each; scopes are not used
	Required   []string  // of the properties
	Effect     Effect    // live: it comes and goes while the container runs
	Risk       Risk
	IsCloned   bool // a clone of the container gets one of its own
	// Rule checks what concerns more than one property, after each was checked by itself. Nil: nothing.
	Rule func(Device) error
	Doc  string // one sentence
}

// DeviceTypes is the table of all device types, by name.
type DeviceTypes map[string]DeviceType

// NewDeviceTypes joins the rows of several packages. A name given twice is a mistake of the program,
// not of its user, hence the panic.
func NewDeviceTypes(groups ...[]DeviceType) DeviceTypes {
	table := DeviceTypes{}
	for _, group := range groups {
		for _, t := range group {
			if _, twice := table[t.Name]; twice {
				panic("device type " + t.Name + " is defined twice")
			}
			table[t.Name] = t
		}
	}
	return table
}

// Check validates a device and returns it in canonical form, defaults filled in. It changes nothing.
func (t DeviceTypes) Check(d Device) (Device, error) {
	if err := CheckName("the device", d.Name); err != nil {
		return d, err
	}
	row, ok := t[d.Type]
	if !ok {
		return d, Errorf(ErrInvalid, "there is no device type %q; there are %s", d.Type,
			strings.Join(slices.Sorted(maps.Keys(t)), ", "))
	}
	checked, err := row.check(d)
	if err == nil && row.Rule != nil {
		err = row.Rule(checked)
	}
	return checked, err
}

func (t DeviceType) check(d Device) (Device, error) {
	given := maps.Clone(d.Properties)
	d.Properties = map[string]string{}
	for _, p := range t.Properties {
		value, ok := given[p.Name]
		delete(given, p.Name)
		switch {
		case !ok && slices.Contains(t.Required, p.Name):
			return d, Errorf(ErrInvalid, "a device of type %s needs %s=VALUE: %s", t.Name, p.Name, p.Doc)
		case !ok && p.Default == "":
			continue
		case !ok:
			value = p.Default
		}
		canonical, err := p.Check(value)
		if err != nil {
			return d, err
		}
		d.Properties[p.Name] = canonical
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		return d, Errorf(ErrInvalid, "a device of type %s has no property %q; it has %s", t.Name, name, t.names())
	}
	return d, nil
}

func (t DeviceType) names() string {
	var names []string
	for _, p := range t.Properties {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// Risk is that of the device as it is: of its type, or of a property it sets, whichever is higher.
func (t DeviceTypes) Risk(d Device) Risk {
	row := t[d.Type]
	risk := row.Risk
	for _, p := range row.Properties {
		if value, ok := d.Properties[p.Name]; ok && value != p.Default && order(p.Risk) > order(risk) {
			risk = p.Risk
		}
	}
	return risk
}

// Explain says of each device in the lines of a difference how it comes about and what it risks.
// before may be nil.
func (t DeviceTypes) Explain(lines []EffectLine, before, after *Container) {
	for i, line := range lines {
		name, ok := strings.CutPrefix(line.Field, DeviceField)
		if !ok {
			continue
		}
		d, has := after.Device(name)
		if !has && before != nil {
			d, _ = before.Device(name)
		}
		lines[i].Effect, lines[i].Risk = t[d.Type].Effect, t.Risk(d)
	}
}

func order(r Risk) int { return slices.Index([]Risk{RiskLow, RiskMedium, RiskHigh}, r) }

// Device returns the container's device of that name.
func (c *Container) Device(name string) (Device, bool) {
	i := slices.IndexFunc(c.Devices, func(d Device) bool { return d.Name == name })
	if i < 0 {
		return Device{}, false
	}
	return c.Devices[i], true
}

// SetDevice adds the device, or puts it in the place of the one of that name. Devices stay sorted by
// name.
func (c *Container) SetDevice(d Device) {
	c.RemoveDevice(d.Name)
	c.Devices = append(c.Devices, d)
	slices.SortFunc(c.Devices, func(a, b Device) int { return strings.Compare(a.Name, b.Name) })
}

// RemoveDevice takes the device of that name away, if there is one.
func (c *Container) RemoveDevice(name string) {
	c.Devices = slices.DeleteFunc(slices.Clone(c.Devices), func(d Device) bool { return d.Name == name })
}

// Volumes are the names of the volumes the container has.
func (c *Container) Volumes() []string {
	var names []string
	for _, d := range c.Devices {
		if name := d.Volume(); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// CheckPlace reports whether something of the host can be put at path inside a container. What the
// container's system mounts at boot would be covered there, or cover it: /proc, /sys, /dev and /run are
// its own with all that lies below, and so is what lies below /tmp.
func CheckPlace(path string) error {
	switch {
	case !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) ||
		len(path) > 1024:
		return Errorf(ErrInvalid, "%.60q is no path inside a container; write it like /srv/data", path)
	case path != "/" && strings.HasSuffix(path, "/") || strings.Contains(path, "//") || hasDots(path):
		return Errorf(ErrInvalid, "%s can't hold //, /./, /../ or end in /; write it like /srv/data", path)
	case path == "/":
		return Errorf(ErrInvalid, "a device can't take the place of the root file system")
	}
	for _, own := range []string{"/proc", "/sys", "/dev", "/run"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return Errorf(ErrInvalid, "%s belongs to the container's own system; choose a path outside /proc, /sys, /dev and /run", path)
		}
	}
	if strings.HasPrefix(path, "/tmp/") {
		return Errorf(ErrInvalid, "%s would be hidden when the container's system mounts /tmp; choose another path, or /tmp itself", path)
	}
	return nil
}

func hasDots(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}

// CheckApart refuses two devices of which one would lie in the other: which of them is seen would depend
// on which came first.
func CheckApart(devices []Device) error {
	for i, a := range devices {
		for _, b := range devices[i+1:] {
			p, q := a.Properties[PropertyPath], b.Properties[PropertyPath]
			if p != "" && q != "" && (p == q || strings.HasPrefix(p, q+"/") || strings.HasPrefix(q, p+"/")) {
				return Errorf(ErrInvalid, "%s at %s and %s at %s can't lie in each other; choose paths that are apart",
					a.Name, p, b.Name, q)
			}
		}
	}
	return nil
}

// CheckHostPath reports whether path can be a folder of the host that a container gets. Whether it may is
// decided when it is opened.
func CheckHostPath(path string) error {
	if !strings.HasPrefix(path, "/") || path == "/" || strings.HasSuffix(path, "/") || strings.Contains(path, "//") ||
		hasDots(path) || len(path) > 1024 || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Errorf(ErrInvalid, "%.60q can't be a folder of the host for a container; write an absolute path below /", path)
	}
	return nil
}
