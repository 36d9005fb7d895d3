package inventory

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Specs are what a file says: volumes, and the containers that have them.
type Specs struct {
	Volumes    []VolumeSpec `json:"volumes,omitempty" doc:"What volumes are to be."`
	Containers []Spec       `json:"specs" nullable:"false" doc:"What containers are to be."`
}

// A Spec says what a container is to be, as people write it into a file. What it does not say is
// unset: settings, labels and devices of the container's own that it leaves out go. Left alone when it says
// nothing of them are what a container is given once: owner, image, network and address.
//
// SpecOf and Estate.Plan are each other's inverse: the plan of what is exported is empty.
type Spec struct {
	Name        string            `json:"name" yaml:"name" doc:"A DNS label."`
	Project     string            `json:"project,omitempty" yaml:"project,omitempty" doc:"The default project when empty."`
	Image       string            `json:"image,omitempty" yaml:"image,omitempty" doc:"Alias or digest; the project's when empty."`
	Purpose     string            `json:"purpose" yaml:"purpose" doc:"What it is for, in a sentence."`
	Owner       string            `json:"owner,omitempty" yaml:"owner,omitempty" doc:"Who answers for it; whoever makes it when empty."`
	Environment string            `json:"environment,omitempty" yaml:"environment,omitempty" doc:"prod, dr, staging, test or dev; dev when empty."`
	DataClass   string            `json:"data_class,omitempty" yaml:"data_class,omitempty" doc:"public, internal, confidential or restricted; internal when empty."`
	Labels      map[string]string `json:"labels,omitempty" yaml:"labels,omitempty"`
	CPUs        string            `json:"cpus,omitempty" yaml:"cpus,omitempty" doc:"As a setting."`
	Memory      string            `json:"memory,omitempty" yaml:"memory,omitempty" doc:"As a setting."`
	Disk        string            `json:"disk,omitempty" yaml:"disk,omitempty" doc:"As a setting."`
	Settings    map[string]string `json:"settings,omitempty" yaml:"settings,omitempty" doc:"Settings of its own; all others are inherited."`
	Pool        string            `json:"pool,omitempty" yaml:"pool,omitempty" doc:"Where its root file system lives; the default pool when empty."`
	Network     string            `json:"network,omitempty" yaml:"network,omitempty" doc:"The project's when empty."`
	IP          string            `json:"ip,omitempty" yaml:"ip,omitempty" doc:"The IPv4 address it is to hold; any when empty."`
	After       []string          `json:"after,omitempty" yaml:"after,omitempty,flow" doc:"Containers of its project that have to be up first: NAME, or NAME:port=5432."`
	// Devices are written like {data: {type: disk, volume: data, path: /srv}}.
	Devices map[string]map[string]string `json:"devices,omitempty" yaml:"devices,omitempty" doc:"By name: the type and the properties of each."`
	Intent  Intent                       `json:"intent,omitempty" yaml:"intent,omitempty" doc:"run or stop; run when empty."`
}

// What a spec means that says nothing of it.
const (
	defaultEnvironment = "dev"
	defaultDataClass   = "internal"
)

// Ref returns how a person names the container.
func (s Spec) Ref() Ref { return Ref{Project: cmp.Or(s.Project, DefaultProject), Name: s.Name} }

// own returns the settings of the spec with the sizes among them. A size said twice is refused.
func (s Spec) own() (map[string]string, error) {
	out := maps.Clone(s.Settings)
	if out == nil {
		out = map[string]string{}
	}
	for name, value := range map[string]string{"cpus": s.CPUs, "memory": s.Memory, "disk": s.Disk} {
		if value == "" {
			continue
		}
		if _, twice := out[name]; twice {
			return nil, Errorf(ErrInvalid, "%s: %s stands twice, by itself and among the settings", s.Ref(), name)
		}
		out[name] = value
	}
	return out, nil
}

// An Estate is what specs are compared with: everything the caller may see of it.
type Estate struct {
	Containers  []*Container // those in the trash too
	Volumes     []Volume
	Projects    []Project
	Settings    Settings
	DeviceTypes DeviceTypes
}

func (e Estate) project(name string) (Project, error) {
	for _, p := range e.Projects {
		if p.Name == name {
			return p, nil
		}
	}
	return Project{}, Errorf(ErrNotFound, "there is no project %s; 'lodge project list' shows them all", name)
}

func (e Estate) container(ref Ref) *Container {
	for _, c := range e.Containers {
		if c.Project == ref.Project && c.Name == ref.Name {
			return c
		}
	}
	return nil
}

// SpecOf says what c is, without what it would be anyway.
func (e Estate) SpecOf(c *Container) Spec {
	s := Spec{Name: c.Name, Image: c.Image, Purpose: c.Purpose, Owner: c.Owner,
		Environment: string(c.Environment), Labels: maps.Clone(c.Labels), Settings: maps.Clone(c.Settings),
		After: slices.Clone(c.After), Devices: e.devicesOf(c)}
	if c.Project != DefaultProject {
		s.Project = c.Project
	}
	if c.Pool != DefaultPool {
		s.Pool = c.Pool
	}
	if c.DataClass != defaultDataClass {
		s.DataClass = c.DataClass
	}
	if c.Intent == IntentStop {
		s.Intent = IntentStop
	}
	for name, field := range map[string]*string{"cpus": &s.CPUs, "memory": &s.Memory, "disk": &s.Disk} {
		*field = s.Settings[name]
		delete(s.Settings, name)
	}
	if p, _ := e.project(c.Project); len(c.NICs) > 0 {
		if n := c.NICs[0]; n.Network != cmp.Or(p.Network, DefaultNetwork) {
			s.Network = n.Network
		}
		if c.NICs[0].Pinned {
			s.IP = c.NICs[0].IPv4.String()
		}
	}
	return s
}

// over returns c, or a new container when it is nil, as the spec wants it.
func (e Estate) over(s Spec, c *Container) (*Container, error) {
	own, err := s.own()
	if err != nil {
		return nil, err
	}
	if own, err = e.Settings.Check(ScopeContainer, own); err != nil {
		return nil, Errorf(ErrInvalid, "%s: %w", s.Ref(), err)
	}
	p, err := e.project(s.Ref().Project)
	if err != nil {
		return nil, err
	}
	w := &Container{Name: s.Name, Project: p.Name, Image: cmp.Or(s.Image, p.Image), Pool: s.Pool}
	if c != nil {
		w = c.Clone()
		err = s.refuseMoved(c)
	} else if w.Image == "" {
		err = Errorf(ErrInvalid, "%s needs an image: name one, or give project %s a default", s.Ref(), p.Name)
	}
	if err != nil {
		return nil, err
	}
	w.Purpose, w.Owner = strings.TrimSpace(s.Purpose), cmp.Or(s.Owner, w.Owner)
	w.Environment = Environment(cmp.Or(s.Environment, defaultEnvironment))
	w.DataClass = cmp.Or(s.DataClass, defaultDataClass)
	w.Labels, w.Settings, w.Intent = maps.Clone(s.Labels), own, cmp.Or(s.Intent, IntentRun)
	if w.Devices, err = e.devices(s); err != nil {
		return nil, err
	}
	if !sameSet(w.After, s.After) {
		w.After = slices.Clone(s.After)
	}
	if w.Intent != IntentRun && w.Intent != IntentStop {
		return nil, Errorf(ErrInvalid, "%s: the intent %q is neither run nor stop", s.Ref(), w.Intent)
	}
	return w, w.Check()
}

// refuseMoved refuses what takes more than a change: another root, another address.
func (s Spec) refuseMoved(c *Container) error {
	if s.Image != "" && s.Image != c.Image && s.Image != c.ImageDigest {
		return Errorf(ErrInvalid,
			"%s was made from %s and can't become %s; another image takes a new container", c.Ref(), c.Image, s.Image)
	}
	if s.Pool != "" && s.Pool != c.Pool {
		return Errorf(ErrInvalid, "%s lies in pool %s and can't go to %s by a spec; 'lodge move %s --pool %s' takes it there",
			c.Ref(), c.Pool, s.Pool, c.Ref(), s.Pool)
	}
	if len(c.NICs) == 0 {
		return nil
	}
	n := c.NICs[0]
	if s.Network != "" && s.Network != n.Network {
		return Errorf(ErrInvalid, "%s is on network %s and can't go to %s; another network takes a new container",
			c.Ref(), n.Network, s.Network)
	}
	if s.IP != "" && s.IP != n.IPv4.String() {
		return Errorf(ErrInvalid, "%s holds %s and can't have %s; another address takes a new container",
			c.Ref(), n.IPv4, s.IP)
	}
	return nil
}

func sameSet(a, b []string) bool {
	sorted := func(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
	return slices.Equal(sorted(a), sorted(b))
}
