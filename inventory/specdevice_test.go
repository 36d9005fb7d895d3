package inventory

import (
	"reflect"
	"strings"
	"testing"
)

var deviceTable = NewDeviceTypes([]DeviceType{
	{Name: "disk", Required: []string{"path"}, Effect: EffectLive, Risk: RiskLow, Properties: []Setting{{Name: "path", Type: TypeText},
		{Name: "volume", Type: TypeText}, {Name: "source", Type: TypeText, Risk: RiskHigh}, {Name: "readonly", Type: TypeBool, Default: "false"}}},
	{Name: "tmpfs", Required: []string{"path"}, Effect: EffectLive, Risk: RiskLow, Properties: []Setting{{Name: "path", Type: TypeText},
		{Name: "size", Type: TypeBytes, Default: "64MiB"}, {Name: "readonly", Type: TypeBool, Default: "false"}}},
	{Name: "proxy", Required: []string{"listen"}, Effect: EffectRestart, Risk: RiskMedium, Properties: []Setting{{Name: "listen", Type: TypeText},
		{Name: "readonly", Type: TypeBool, Default: "false"}}},
})

// furnished has web1, which writes to volume data, reads docs and has a tmpfs; db1, which has nothing and
// is stopped; and old, which lies in the trash and writes to kept. logs is shared.
func furnished() Estate {
	e := estate()
	e.DeviceTypes = deviceTable
	for _, name := range []string{"data", "docs", "kept", "logs"} {
		e.Volumes = append(e.Volumes, Volume{Name: name, Project: "shop", Size: GiB, Owner: "dev1", Pool: DefaultPool, Backup: true, Shared: name == "logs"})
	}
	disk := func(volume, path string, more ...string) Device {
		d := Device{Name: volume, Type: "disk", Properties: map[string]string{"volume": volume, "path": path, "readonly": "false"}}
		if len(more) > 0 {
			d.Properties["readonly"] = more[0]
		}
		return d
	}
	web, db, old := e.Containers[0], e.Containers[1], e.Containers[2]
	web.SetDevice(disk("data", "/srv"))
	web.SetDevice(disk("docs", "/docs", "true"))
	web.SetDevice(Device{Name: "scratch", Type: "tmpfs", Properties: map[string]string{"path": "/scratch", "size": "1MiB", "readonly": "false"}})
	db.Intent = IntentStop
	old.SetDevice(disk("kept", "/srv"))
	return e
}

type table = map[string]map[string]string

// How specs of furnished say what there is.
var (
	data    = map[string]string{"type": "disk", "volume": "data", "path": "/srv"}
	docs    = map[string]string{"type": "disk", "volume": "docs", "path": "/docs", "readonly": "true"}
	scratch = map[string]string{"type": "tmpfs", "path": "/scratch", "size": "1MiB"}
	shared  = func(v *VolumeSpec) { v.Shared = true }
)

func web(d table) Spec {
	s := web1()
	s.Devices = d
	return s
}

func db(d table, change ...func(*Spec)) Spec {
	s := web(d)
	s.Name, s.After, s.Intent = "db1", nil, IntentStop
	for _, f := range change {
		f(&s)
	}
	return s
}

func volume(name, size string, change ...func(*VolumeSpec)) VolumeSpec {
	v := VolumeSpec{Name: name, Project: "shop", Size: size, Owner: "dev1"}
	for _, f := range change {
		f(&v)
	}
	return v
}

// TestPlanDevices: volumes and devices in a spec become steps in an order in which each can be done.
func TestPlanDevices(t *testing.T) {
	for name, tt := range map[string]struct {
		volumes    []VolumeSpec
		containers []Spec
		want       string // the steps, or part of the error after "!"
	}{
		"as it is":          {[]VolumeSpec{volume("data", "1024MiB")}, []Spec{web(table{"data": data, "docs": docs, "scratch": scratch})}, ""},
		"grown":             {[]VolumeSpec{volume("data", "2GiB")}, nil, "volume.resize data size=2GiB"},
		"flags":             {[]VolumeSpec{volume("data", "1GiB", shared)}, nil, "volume.update data shared=true"},
		"grown and flagged": {[]VolumeSpec{volume("data", "2GiB", shared)}, nil, "volume.resize data size=2GiB; volume.update data shared=true"},
		"a new one with its container": {[]VolumeSpec{volume("new", "1GiB")}, []Spec{{Name: "a", Project: "shop", Purpose: "y", Devices: table{"d": {"type": "disk", "volume": "new", "path": "/srv"}}}},
			"volume.create new size=1GiB; launch a"},
		"left out":              {nil, []Spec{web(table{"data": data, "docs": docs})}, "device.remove web1/scratch"},
		"all left out":          {nil, []Spec{web(nil)}, "device.remove web1/data; device.remove web1/docs; device.remove web1/scratch"},
		"changed":               {nil, []Spec{web(table{"data": data, "docs": docs, "scratch": {"type": "tmpfs", "path": "/scratch"}})}, "device.remove web1/scratch; device.add web1/scratch"},
		"another path":          {nil, []Spec{web(table{"data": {"type": "disk", "volume": "data", "path": "/var"}, "docs": docs, "scratch": scratch})}, "device.remove web1/data; device.add web1/data"},
		"another name":          {nil, []Spec{web(table{"store": data, "docs": docs, "scratch": scratch})}, "device.remove web1/data; device.add web1/store"},
		"moved":                 {nil, []Spec{db(table{"data": data}), web(table{"docs": docs, "scratch": scratch})}, "device.remove web1/data; device.add db1/data"},
		"moved to a new":        {nil, []Spec{{Name: "aa", Project: "shop", Purpose: "y", Devices: table{"data": data}}, web(table{"docs": docs, "scratch": scratch})}, "device.remove web1/data; launch aa"},
		"exchanged":             {nil, []Spec{db(table{"data": data}), web(table{"docs": {"type": "disk", "volume": "docs", "path": "/docs"}, "scratch": scratch})}, "device.remove web1/data; device.add db1/data; device.remove web1/docs; device.add web1/docs"},
		"before the start":      {nil, []Spec{db(table{"scratch": scratch}, func(s *Spec) { s.Intent, s.CPUs = IntentRun, "2" })}, "update db1 cpus=2; device.add db1/scratch; start db1"},
		"after the stop":        {nil, []Spec{func() Spec { s := web(nil); s.Intent = IntentStop; return s }()}, "stop web1; device.remove web1/data; device.remove web1/docs; device.remove web1/scratch"},
		"a second reader":       {nil, []Spec{db(table{"docs": docs, "data": {"type": "disk", "volume": "data", "path": "/x", "readonly": "true"}})}, "device.add db1/data; device.add db1/docs"},
		"shared by two":         {nil, []Spec{db(table{"logs": {"type": "disk", "volume": "logs", "path": "/l"}}), web(table{"data": data, "docs": docs, "logs": {"type": "disk", "volume": "logs", "path": "/l"}, "scratch": scratch})}, "device.add db1/logs; device.add web1/logs"},
		"shared from now":       {[]VolumeSpec{volume("data", "1GiB", shared)}, []Spec{db(table{"data": data})}, "volume.update data shared=true; device.add db1/data"},
		"sharing ends":          {[]VolumeSpec{volume("logs", "1GiB")}, []Spec{db(table{"logs": {"type": "disk", "volume": "logs", "path": "/l"}})}, "device.add db1/logs; volume.update logs shared=false"},
		"two writers":           {nil, []Spec{db(table{"data": data})}, "!volume shop/data can't be attached to shop/web1 and shop/db1"},
		"two new writers":       {[]VolumeSpec{volume("new", "1GiB")}, []Spec{db(table{"n": {"type": "disk", "volume": "new", "path": "/n"}}), web(table{"n": {"type": "disk", "volume": "new", "path": "/n"}})}, "!volume shop/new can't be attached"},
		"held in the trash":     {nil, []Spec{db(table{"kept": {"type": "disk", "volume": "kept", "path": "/k"}})}, "!can't be attached to shop/old and shop/db1"},
		"no such volume":        {nil, []Spec{db(table{"n": {"type": "disk", "volume": "nothing", "path": "/n"}})}, "!can't have volume shop/nothing: there is none"},
		"another project's":     {[]VolumeSpec{{Name: "new", Size: "1GiB"}}, []Spec{db(table{"n": {"type": "disk", "volume": "new", "path": "/n"}})}, "!can't have volume shop/new"},
		"a volume twice in one": {nil, []Spec{web(table{"data": data, "more": {"type": "disk", "volume": "data", "path": "/more"}})}, "!would have volume data twice"},
		"in each other":         {nil, []Spec{web(table{"data": data, "in": {"type": "tmpfs", "path": "/srv/in"}})}, "!can't lie in each other"},
		"no type":               {nil, []Spec{web(table{"data": {"path": "/x"}})}, "!device data needs a type: disk, proxy, tmpfs"},
		"no such type":          {nil, []Spec{web(table{"data": {"type": "floppy"}})}, `!there is no device type "floppy"`},
		"no such property":      {nil, []Spec{web(table{"data": {"type": "tmpfs", "path": "/x", "colour": "red"}})}, `!no property "colour"`},
		"an odd name":           {nil, []Spec{web(table{"a b": scratch})}, "!device"},
		"a volume twice":        {[]VolumeSpec{volume("data", "1GiB"), volume("data", "2GiB")}, nil, "!volume shop/data stands twice"},
		"no size":               {[]VolumeSpec{volume("new", "")}, nil, "!volume shop/new needs a size"},
		"an odd size":           {[]VolumeSpec{volume("new", "much")}, nil, "!volume shop/new"},
		"too small":             {[]VolumeSpec{volume("new", "1KiB")}, nil, "!the least is 1MiB"},
		"no volume's name":      {[]VolumeSpec{volume("new", "1GiB"), {Size: "1GiB"}}, nil, "!needs a name"},
		"no project":            {[]VolumeSpec{{Name: "new", Project: "none", Size: "1GiB"}}, nil, "!no project none"},
		"an odd kind":           {[]VolumeSpec{volume("new", "1GiB", func(v *VolumeSpec) { v.Kind = "disk" })}, nil, `!its kind is "disk"`},
	} {
		t.Run(name, func(t *testing.T) {
			e := furnished()
			specs := Specs{tt.volumes, tt.containers}
			plan, err := e.Plan(specs)
			if !reflect.DeepEqual(e, furnished()) {
				t.Error("planning has changed what it looked at")
			}
			if part, wrong := strings.CutPrefix(tt.want, "!"); wrong {
				if _, kind := Kind(err); err == nil || !kind || !strings.Contains(err.Error(), part) || len(plan.Steps) > 0 {
					t.Errorf("%v, %s; want %q", err, verbs(plan), part)
				}
				return
			}
			if err != nil || verbs(plan) != tt.want {
				t.Errorf("%v\n got %s\nwant %s", err, verbs(plan), tt.want)
			}
			if again, err := e.done(plan).Plan(specs); err != nil || len(again.Steps) > 0 {
				t.Errorf("again: %v, %s", err, verbs(again))
			}
		})
	}
}

// TestPlanSaysWhatDevicesRisk: the lines of a plan have a device's own effect and risk, and the plan
// knows what is gone for good.
func TestPlanSaysWhatDevicesRisk(t *testing.T) {
	s := web1()
	s.Devices = table{"home": {"type": "disk", "source": "/home", "path": "/home"}, "port": {"type": "proxy", "listen": "tcp:127.0.0.1:80"},
		"scratch": {"type": "tmpfs", "path": "/scratch", "size": "2MiB"}}
	plan, err := furnished().Plan(Specs{Containers: []Spec{s}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, step := range plan.Steps {
		for _, line := range step.Effects {
			got[step.Verb+" "+line.Field] = string(line.Effect) + " " + string(line.Risk) + " " + line.Before + ">" + line.After
		}
	}
	want := map[string]string{
		"container.device.remove device.data":    "live low disk path=/srv readonly=false volume=data>",
		"container.device.remove device.docs":    "live low disk path=/docs readonly=true volume=docs>",
		"container.device.remove device.scratch": "live low tmpfs path=/scratch readonly=false size=1MiB>",
		"container.device.add device.scratch":    "live low >tmpfs path=/scratch readonly=false size=2MiB",
		"container.device.add device.home":       "live high >disk path=/home readonly=false source=/home",
		"container.device.add device.port":       "restart medium >proxy listen=tcp:127.0.0.1:80 readonly=false",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if lost := plan.TakenAway(); !reflect.DeepEqual(lost, []string{"shop/web1/data", "shop/web1/docs"}) {
		t.Errorf("taken away: %v", lost)
	}
	if plan.Steps[0].Revision != 7 || plan.Steps[1].Revision != 0 {
		t.Error("the first step on a container has its revision, the others have none")
	}
}
