package inventory

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
)

// done plays the agent: the estate after a plan.
func (e Estate) done(p SpecPlan) Estate {
	after := e
	after.Containers, after.Volumes = nil, slices.Clone(e.Volumes)
	for _, c := range e.Containers {
		after.Containers = append(after.Containers, c.Clone())
	}
	for n, s := range p.Steps {
		c := after.container(Ref{s.Project, s.Name})
		switch {
		case c == nil && s.Create == nil:
			after.doneVolume(s)
		case s.Verb == "container.device.add":
			c.SetDevice(*s.Device)
			c.Revision++
		case s.Verb == "container.device.remove":
			c.RemoveDevice(s.Device.Name)
			c.Revision++
		case s.Create != nil:
			a := s.Create
			p, _ := e.project(a.Project)
			c = &Container{Name: a.Name, Project: a.Project, Image: a.Image, Purpose: a.Purpose, Owner: cmpOr(a.Owner, "me"),
				Environment: Environment(a.Environment), DataClass: a.DataClass, Labels: a.Labels, Settings: a.Settings,
				After: a.After, Intent: IntentRun, Revision: 1, Devices: a.Devices, Pool: cmpOr(a.Pool, DefaultPool),
				NICs: []NIC{{Network: cmpOr(a.Network, cmpOr(p.Network, DefaultNetwork)), IPv4: netip.AddrFrom4([4]byte{10, 9, 0, byte(n)})}}}
			if a.IP != "" {
				c.NICs[0].IPv4, c.NICs[0].Pinned = netip.MustParseAddr(a.IP), true
			}
			if s.Verb == "container.create" {
				c.Intent = IntentStop
			}
			after.Containers = append(after.Containers, c)
		case s.Update != nil:
			for field, value := range map[*string]*string{&c.Owner: s.Update.Owner, &c.Purpose: s.Update.Purpose, &c.DataClass: s.Update.DataClass} {
				if value != nil {
					*field = *value
				}
			}
			if s.Update.Environment != nil {
				c.Environment = Environment(*s.Update.Environment)
			}
			if s.Update.After != nil {
				c.After = *s.Update.After
			}
			c.Labels, c.Settings = put(c.Labels, s.Update.Labels, s.Update.Unlabel), put(c.Settings, s.Update.Settings, s.Update.Unset)
			c.Revision++
		case s.Verb == "container.start":
			c.Intent = IntentRun
		case s.Verb == "container.stop":
			c.Intent = IntentStop
		}
	}
	return after
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func put(base, set map[string]string, unset []string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, base)
	maps.Copy(out, set)
	for _, name := range unset {
		delete(out, name)
	}
	return out
}

// doneVolume plays the agent where a step is about a volume.
func (e *Estate) doneVolume(s SpecStep) {
	v := e.volume(s.ref())
	switch {
	case s.Verb == "volume.create":
		size, _ := ParseBytes(s.Volume.Size)
		e.Volumes = append(e.Volumes, Volume{Name: s.Name, Project: s.Project, Size: size, Purpose: s.Volume.Purpose,
			Owner: cmpOr(s.Volume.Owner, "me"), Pool: cmpOr(s.Volume.Pool, DefaultPool), Backup: *s.Volume.Backup, Shared: s.Volume.Shared})
	case s.Verb == "volume.resize":
		v.Size, _ = ParseBytes(s.Volume.Size)
	default:
		if u := s.VolumeUpdate; u.Purpose != nil {
			v.Purpose = *u.Purpose
		}
		if u := s.VolumeUpdate; u.Owner != nil {
			v.Owner = *u.Owner
		}
		for field, value := range map[*bool]*bool{&v.Backup: s.VolumeUpdate.Backup, &v.Shared: s.VolumeUpdate.Shared} {
			if value != nil {
				*field = *value
			}
		}
	}
}

// export is what export-spec --all writes.
func (e Estate) export() (out Specs) {
	for _, c := range e.Containers {
		if !c.IsTrashed() {
			out.Containers = append(out.Containers, e.SpecOf(c))
		}
	}
	SortSpecs(out.Containers)
	out.Volumes = e.VolumeSpecs("", true, nil)
	return out
}

// anySpecs makes specs at random: names, projects, sizes, labels, order, addresses.
func anySpecs(r *rand.Rand) (out []Spec) {
	some := func(values ...string) string { return values[r.IntN(len(values))] }
	for n := range 1 + r.IntN(6) {
		s := Spec{Name: fmt.Sprintf("c%d", n), Project: some("", "default", "shop"), Image: some("debian/12", "debian/13"), Purpose: some("x", "y: # z"),
			Owner: some("dev1", "dev2"), Environment: some("prod", "dev"), DataClass: some("", "internal", "restricted"),
			CPUs: some("", "2", "0.5"), Memory: some("", "1GiB", "1.5GiB"), Disk: some("", "5GiB"),
			Network: some("", "default", "lab"), Intent: Intent(some("", "run", "stop"))}
		s.Pool = some("", "", "fast")
		if r.IntN(3) == 0 {
			s.IP = fmt.Sprintf("10.9.1.%d", n)
		}
		if r.IntN(2) == 0 {
			s.Settings = map[string]string{"nesting": some("true", "1", "false")}
		}
		for range r.IntN(3) {
			s.Labels = put(s.Labels, map[string]string{some("a", "b", "c"): some("", "1", "true")}, nil)
		}
		s.Devices = anyDevices(r)
		for m := range n {
			if out[m].Ref().Project == s.Ref().Project && r.IntN(3) == 0 {
				s.After = append(s.After, out[m].Name)
			}
		}
		out = append(out, s)
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// anyDevices makes devices at random, of volumes that everybody may share.
func anyDevices(r *rand.Rand) map[string]map[string]string {
	all := map[string]map[string]string{
		"scratch": {"type": "tmpfs", "path": "/scratch"},
		"data":    {"type": "disk", "path": "/srv", "volume": "data"},
		"web":     {"type": "proxy", "listen": "tcp:127.0.0.1:80"},
	}
	for name, properties := range all {
		switch r.IntN(4) {
		case 0:
			delete(all, name)
		case 1:
			properties["readonly"] = []string{"true", "false", "1"}[r.IntN(3)]
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// anyVolumes makes the volumes of anyDevices in both projects.
func anyVolumes(r *rand.Rand) (out []VolumeSpec) {
	for _, project := range []string{"", "shop"} {
		v := VolumeSpec{Name: "data", Project: project, Size: []string{"64MiB", "1GiB", "1.5GiB"}[r.IntN(3)],
			Purpose: []string{"", "x"}[r.IntN(2)], Owner: []string{"", "dev1"}[r.IntN(2)], Shared: true}
		if no := false; r.IntN(2) == 0 {
			v.Backup = &no
		}
		out = append(out, v)
	}
	return out
}

// TestSpecRoundTrip: what was applied is exported, in a stable order; applied again, or exported and
// applied, it changes nothing; and whatever was there before, it ends the same.
func TestSpecRoundTrip(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		e := Estate{Settings: specTable, DeviceTypes: deviceTable, Projects: []Project{{Name: "default"}, {Name: "shop", Network: "lab"}}}
		specs := Specs{Containers: anySpecs(r), Volumes: anyVolumes(r)}
		if r.IntN(2) == 0 { // over something
			was := Specs{Containers: anySpecs(r), Volumes: anyVolumes(r)}
			for i := range was.Containers { // what is given once is the same
				c := &was.Containers[i]
				for _, s := range specs.Containers {
					if s.Name == c.Name {
						c.Project, c.Image, c.Network, c.IP, c.Pool = s.Project, s.Image, s.Network, s.IP, s.Pool
					}
				}
				c.After = nil
			}
			plan, err := e.Plan(was)
			if err != nil {
				t.Fatal(seed, err)
			}
			e = e.done(plan)
		}
		plan, err := e.Plan(specs)
		if err != nil {
			t.Fatal(seed, err)
		}
		for cut := range len(plan.Steps) { // interrupted anywhere, the same again does the rest
			if seed%16 != 0 {
				break
			}
			half := e.done(SpecPlan{Steps: plan.Steps[:cut]})
			rest, err := half.Plan(specs)
			if err != nil || len(rest.Steps) == 0 {
				t.Fatalf("seed %d after %d of %s: %v, %s", seed, cut, verbs(plan), err, verbs(rest))
			}
			if again, err := half.done(rest).Plan(specs); err != nil || len(again.Steps) > 0 {
				t.Fatalf("seed %d after %d of %s and %s: %v, %s", seed, cut, verbs(plan), verbs(rest), err, verbs(again))
			}
		}
		e = e.done(plan)
		exported := e.export()
		for name, again := range map[string]Specs{"the specs": specs, "what was exported": exported} {
			plan, err := e.Plan(again)
			if err != nil || len(plan.Steps) > 0 {
				t.Fatalf("seed %d: %s again: %v %s", seed, name, err, verbs(plan))
			}
		}
		for _, s := range specs.Containers {
			i := slices.IndexFunc(exported.Containers, func(x Spec) bool { return x.Ref() == s.Ref() })
			if got, want := plain(e, exported.Containers[i]), plain(e, s); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, got, want)
			}
		}
		e.checkVolumesOf(t, seed, specs)
	}
}

func (e Estate) checkVolumesOf(t *testing.T, seed uint64, specs Specs) {
	t.Helper()
	for _, s := range specs.Volumes {
		v := e.volume(s.Ref())
		if want, _ := e.volumeOver(s, v); !reflect.DeepEqual(*v, want) {
			t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, *v, want)
		}
	}
}

// plain is the spec with everything said, so that two that mean the same are equal.
func plain(e Estate, s Spec) Spec {
	c, err := e.over(s, nil)
	if err != nil {
		panic(err)
	}
	p, _ := e.project(c.Project)
	return Spec{Name: c.Name, Project: c.Project, Image: c.Image, Purpose: c.Purpose, Owner: c.Owner,
		Environment: string(c.Environment), DataClass: c.DataClass, Labels: put(c.Labels, nil, nil), Settings: c.Settings,
		Pool: cmpOr(s.Pool, DefaultPool), Network: cmpOr(s.Network, cmpOr(p.Network, DefaultNetwork)), IP: s.IP,
		After: slices.Sorted(slices.Values(s.After)), Intent: c.Intent, Devices: Estate{}.devicesOf(c)}
}
