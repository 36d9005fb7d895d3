package inventory

import (
	"cmp"
	"slices"
)

// KindVolume is what a spec of a volume calls itself where it stands among those of containers.
const KindVolume = "volume"

// A VolumeSpec says what a volume is to be. Left alone when it says nothing of it is the owner.
type VolumeSpec struct {
	Kind    string `json:"kind,omitempty" yaml:"kind" enum:"volume" doc:"volume, where it stands among containers."`
	Name    string `json:"name" yaml:"name" doc:"A DNS label."`
	Project string `json:"project,omitempty" yaml:"project,omitempty" doc:"The default project when empty."`
	Size    string `json:"size" yaml:"size" example:"10GiB" doc:"A bound on what it holds."`
	Pool    string `json:"pool,omitempty" yaml:"pool,omitempty" doc:"Where it lies; the default pool when empty."`
	Purpose string `json:"purpose,omitempty" yaml:"purpose,omitempty" doc:"What it is for."`
	Owner   string `json:"owner,omitempty" yaml:"owner,omitempty" doc:"Who answers for it; whoever makes it when empty."`
	Backup  *bool  `json:"backup,omitempty" yaml:"backup,omitempty" doc:"Whether backups hold it; true when absent."`
	Shared  bool   `json:"shared,omitempty" yaml:"shared,omitempty" doc:"Let more than one container write to it at once."`
}

// Ref returns how a person names the volume.
func (s VolumeSpec) Ref() Ref { return Ref{Project: cmp.Or(s.Project, DefaultProject), Name: s.Name} }

// VolumeSpecOf says what v is, without what it would be anyway.
func VolumeSpecOf(v Volume) VolumeSpec {
	s := VolumeSpec{Kind: KindVolume, Name: v.Name, Size: v.Size.Exact(), Purpose: v.Purpose, Owner: v.Owner,
		Shared: v.Shared}
	if v.Project != DefaultProject {
		s.Project = v.Project
	}
	if v.Pool != DefaultPool {
		s.Pool = v.Pool
	}
	if !v.Backup {
		s.Backup = &v.Backup
	}
	return s
}

// VolumeSpecs says what volumes are: those the specs of containers name, or with all every one of
// the project ("" for any). They are sorted by project and name.
func (e Estate) VolumeSpecs(project string, all bool, of []Spec) []VolumeSpec {
	named := map[Ref]bool{}
	for _, s := range of {
		for _, properties := range s.Devices {
			named[Ref{s.Ref().Project, properties[PropertyVolume]}] = true
		}
	}
	out := []VolumeSpec{}
	for _, v := range e.Volumes {
		if named[v.Ref()] || all && (project == "" || v.Project == project) {
			out = append(out, VolumeSpecOf(v))
		}
	}
	SortVolumeSpecs(out)
	return out
}

// SortVolumeSpecs puts specs into the order they are exported in: by project and name.
func SortVolumeSpecs(specs []VolumeSpec) {
	slices.SortFunc(specs, func(a, b VolumeSpec) int {
		return cmp.Or(cmp.Compare(a.Ref().Project, b.Ref().Project), cmp.Compare(a.Name, b.Name))
	})
}

func (e Estate) volume(ref Ref) *Volume {
	for i, v := range e.Volumes {
		if v.Ref() == ref {
			return &e.Volumes[i]
		}
	}
	return nil
}

// A volumeWant is a volume before and after the plan; before is nil for a new one.
type volumeWant struct {
	before *Volume
	after  Volume
}

// wantedVolumes makes every spec a volume, in their order by name.
func (e Estate) wantedVolumes(specs []VolumeSpec) ([]volumeWant, error) {
	sorted := slices.Clone(specs)
	SortVolumeSpecs(sorted)
	var out []volumeWant
	for i, s := range sorted {
		if i > 0 && s.Ref() == sorted[i-1].Ref() {
			return nil, Errorf(ErrInvalid, "volume %s stands twice in the spec; let it stand once", s.Ref())
		}
		w := volumeWant{before: e.volume(s.Ref())}
		var err error
		if w.after, err = e.volumeOver(s, w.before); err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

// volumeOver returns v, or a new volume when it is nil, as the spec wants it.
func (e Estate) volumeOver(s VolumeSpec, v *Volume) (Volume, error) {
	if err := CheckName("the volume", s.Name); err != nil {
		return Volume{}, err
	}
	if s.Kind != "" && s.Kind != KindVolume {
		return Volume{}, Errorf(ErrInvalid, "volume %s: its kind is %q; write volume", s.Ref(), s.Kind)
	}
	p, err := e.project(s.Ref().Project)
	if err != nil {
		return Volume{}, err
	}
	w := Volume{Name: s.Name, Project: p.Name, Pool: s.Pool}
	if v != nil {
		w = *v
	}
	if s.Pool != "" && s.Pool != w.Pool {
		return w, Errorf(ErrInvalid, "volume %s lies in pool %s and can't go to %s; another pool takes a new volume",
			s.Ref(), w.Pool, s.Pool)
	}
	w.Purpose, w.Owner, w.Shared = s.Purpose, cmp.Or(s.Owner, w.Owner), s.Shared
	w.Backup = s.Backup == nil || *s.Backup
	if s.Size == "" {
		return w, Errorf(ErrInvalid, "volume %s needs a size; give it like 10GiB", s.Ref())
	}
	if w.Size, err = ParseBytes(s.Size); err != nil {
		return w, Errorf(ErrInvalid, "volume %s: %w", s.Ref(), err)
	}
	return w, CheckVolume(w)
}

// DiffVolume lists what differs between two states of a volume; before may be nil.
func DiffVolume(before *Volume, after Volume) []EffectLine {
	fields := func(v Volume) [][2]string {
		return [][2]string{{"volume", v.Ref().String()}, {"size", v.Size.Exact()}, {"pool", v.Pool}, {"purpose", v.Purpose},
			{"owner", v.Owner}, {"backup", yesOrNo(v.Backup)}, {"shared", yesOrNo(v.Shared)}}
	}
	var lines []EffectLine
	for i, f := range fields(after) {
		line := EffectLine{Field: f[0], After: f[1], Effect: EffectLive}
		if before != nil {
			line.Before = fields(*before)[i][1]
		}
		if line.Before != line.After {
			lines = append(lines, line)
		}
	}
	return lines
}

func yesOrNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// volumeSteps are the operations that turn before into after. Those that end sharing come last in a
// plan: until then a container may still have to give it up.
func (w volumeWant) steps() (first, last []SpecStep) {
	step := SpecStep{Name: w.after.Name, Project: w.after.Project}
	at := func(verb string, lines []EffectLine) SpecStep {
		step := step
		step.Verb, step.Effects = verb, lines
		return step
	}
	if w.before == nil {
		s := at("volume.create", DiffVolume(nil, w.after))
		s.Volume = &VolumeArgs{Name: w.after.Name, Project: w.after.Project, Size: w.after.Size.Exact(),
			Pool: w.after.Pool, Owner: w.after.Owner, Purpose: w.after.Purpose, Backup: &w.after.Backup, Shared: w.after.Shared}
		return []SpecStep{s}, nil
	}
	sized := *w.before
	sized.Size = w.after.Size
	if lines := DiffVolume(w.before, sized); len(lines) > 0 {
		s := at("volume.resize", lines)
		s.Volume = &VolumeArgs{Name: w.after.Name, Project: w.after.Project, Size: w.after.Size.Exact()}
		first = append(first, s)
	}
	if lines := DiffVolume(&sized, w.after); len(lines) > 0 {
		s := at("volume.update", lines)
		s.VolumeUpdate = volumeUpdateTo(*w.before, w.after)
		if w.before.Shared && !w.after.Shared {
			return first, []SpecStep{s}
		}
		first = append(first, s)
	}
	return first, nil
}

// volumeUpdateTo are the parameters that turn before into after.
func volumeUpdateTo(before, after Volume) *VolumeUpdateArgs {
	args := &VolumeUpdateArgs{Name: after.Name, Project: after.Project}
	if before.Owner != after.Owner {
		args.Owner = &after.Owner
	}
	if before.Purpose != after.Purpose {
		args.Purpose = &after.Purpose
	}
	if before.Backup != after.Backup {
		args.Backup = &after.Backup
	}
	if before.Shared != after.Shared {
		args.Shared = &after.Shared
	}
	return args
}
