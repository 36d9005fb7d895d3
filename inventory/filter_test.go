package inventory_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

var filterSettings = inventory.NewSettings([]inventory.Setting{
	{Name: "memory", Type: inventory.TypeBytes, Scopes: []inventory.Scope{inventory.ScopeContainer}},
	{Name: "processes", Type: inventory.TypeInt, Scopes: []inventory.Scope{inventory.ScopeContainer}},
	{Name: "stop.timeout", Type: inventory.TypeDuration, Scopes: []inventory.Scope{inventory.ScopeContainer}},
	{Name: "security.nesting", Type: inventory.TypeBool, Scopes: []inventory.Scope{inventory.ScopeContainer}},
	{Name: "restart.policy", Type: inventory.TypeEnum, Values: []string{"no", "always"}, Scopes: []inventory.Scope{inventory.ScopeContainer}},
	{Name: "web.address", Type: inventory.TypeText, Scopes: []inventory.Scope{inventory.ScopeHost}},
})

var filterNow = time.Date(2026, 5, 3, 14, 0, 0, 0, time.UTC)

func filterSubject() inventory.ContainerSubject {
	return inventory.ContainerSubject{
		Container: &inventory.Container{
			ID: "0190", Name: "web1", Project: "shop", Owner: "Dev1", Purpose: `the shop's "front" & more`,
			Environment: "prod", DataClass: "internal", Image: "debian/12",
			Labels: map[string]string{"tier": "frontend", "a b": "c"},
			NICs: []inventory.NIC{{IPv4: netip.MustParseAddr("10.86.0.7"), IPv6: netip.MustParseAddr("fd4c::7")},
				{IPv4: netip.MustParseAddr("192.0.2.1")}},
			CreatedAt: filterNow.Add(-time.Hour), UpdatedAt: filterNow,
		},
		Observed: inventory.Observed{State: inventory.StateRunning},
		Settings: map[string]string{"cpus": "2", "memory": "1GiB", "disk": "10GiB", "processes": "512",
			"stop.timeout": "30s", "security.nesting": "false", "restart.policy": "always"},
	}
}

func TestFilterMatch(t *testing.T) {
	day := filterNow.Add(-time.Hour).Local().Format("2006-01-02")
	for text, want := range map[string]bool{
		"": true, "   ": true,
		"env=prod": true, "env=PROD": true, "env!=prod": false, "env=dev": false,
		"owner=dev1": true, "owner~dev": true, "owner~DEV*": true, "owner~ev*": false, "name~w?b1": true, "name~w?1": false,
		"name~*b*1": true, "name~*****": true, "name~b1": true, "name~b2": false,
		"purpose~\"front\"":                     true,
		`purpose="the shop's \"front\" & more"`: true,
		"ticket=\"\"":                           true, "ticket!=\"\"": false, "ticket!=x": true, "ticket~x": false, "owner=\"\"": false,
		"project=shop & state=running": true, "project=shop & state=stopped": false,
		"state=stopped | project=shop": true, "!state=stopped": true, "!!state=stopped": false,
		"env=dev | env=prod & state=stopped": false, "(env=dev | env=prod) & state=running": true,
		"env=prod && state==running || name=x": true, "!(env=dev|env=prod)": false,
		"memory>1GiB": false, "memory>=1GiB": true, "memory=1024MiB": true, "memory<2GiB": true, "memory<=1GB": false,
		"memory!=1GiB": false, "memory>0": true, "cpus>1.5": true, "cpus<2": false, "disk>1GiB & disk<20GiB": true,
		"label.tier=frontend": true, "label.tier~front": true, "label.none=\"\"": true, "label.none=x": false,
		"label.none!=x": true, "\"label.a b\"=c": true,
		"ip=10.86.0.7": true, "ip=10.86.0.0/24": true, "ip=10.87.0.0/24": false, "ip=192.0.2.1": true,
		"ip=fd4c::/64": true, "ip!=10.0.0.0/8": false, "ip!=172.16.0.0/12": true, "ip~10.86": true, "ip=::ffff:10.86.0.7": true,
		"created>\"2h ago\"": true, "created>\"30m ago\"": false, "created<\"30m ago\"": true,
		"created=" + day: true, "created>" + day: false, "created>=" + day: true, "created<=" + day: true,
		"created!=" + day: false, "created=2026-05-03T13:00:00Z": true, "created>2026-05-03T13:00:00Z": false,
		"created=2026-05-03T13:00:00.5Z": false, "expires=\"\"": true, "expires>2020-01-01": false, "expires<2020-01-01": false,
		"processes>=512": true, "stop.timeout<1m": true, "stop.timeout=30s": true, "security.nesting=false": true,
		"restart.policy=always": true, "restart.policy!=no": true,
	} {
		f, err := filterSettings.ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.At(filterNow).Match(filterSubject()); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
		again, err := filterSettings.ParseFilter(f.String())
		if err != nil || again.String() != f.String() || again.At(filterNow).Match(filterSubject()) != want {
			t.Errorf("%s is written %s, and read as %s (%v)", text, f, again, err)
		}
	}
}

func TestFilterString(t *testing.T) {
	for text, want := range map[string]string{
		"env=prod&owner=dev1":          "env=prod & owner=dev1",
		"((env=prod))":                 "env=prod",
		"(env=prod&name=a)|name=b":     "env=prod & name=a | name=b",
		"env=prod&(name=a|name=b)":     "env=prod & (name=a | name=b)",
		"(name=a|name=b)|name=c":       "name=a | name=b | name=c",
		"!(name=a&name=b)":             "!(name=a & name=b)",
		"! ! name=a":                   "name=a",
		`purpose="a b"`:                `purpose="a b"`,
		`purpose="ab"`:                 `purpose=ab`,
		`purpose="a\\b\"c"`:            `purpose="a\\b\"c"`,
		`"label.a b" = "" `:            `"label.a b"=""`,
		"memory >= 1GiB || memory==5B": "memory>=1GiB | memory=5B",
	} {
		f, err := inventory.ParseFilter(text)
		if err != nil || f.String() != want {
			t.Errorf("%s is written %s (%v), want %s", text, f, err, want)
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for text, want := range map[string][]string{
		"environment=prod":         {"column 1", `"environment"`, "did you mean env?"},
		"env=prod & onwer=dev1":    {"column 12", "did you mean owner?"},
		"ENV=prod":                 {"column 1", "did you mean env?"},
		"tag=x":                    {"did you mean label.KEY?"},
		"label.=x":                 {"column 1", "label.KEY"},
		"zzzzzzzzz=1":              {"there are name project owner"},
		"process=1":                {"did you mean processes?"},
		"web.address=x":            {"no field"},
		"env=prodd":                {"column 5", "prod, dr, staging, test, dev"},
		"state=up":                 {"column 7", "running"},
		"name>a":                   {"column 5", "no order"},
		"memory~1":                 {"column 7", "no text"},
		"memory>much":              {"column 8", "512MiB"},
		"cpus>much":                {"column 6", "no number"},
		"stop.timeout>much":        {"column 14", "30m"},
		"created>2h":               {"column 9", `"2h ago"`},
		"created>yesterday":        {"column 9", "2026-05-03"},
		"created>2h ago":           {"column 9"},
		"ip=10.86":                 {"column 4", "10.86.0.7"},
		"env":                      {"column 4", "= != >", "the end"},
		"env=":                     {"column 5", "needs a value", "the end"},
		"env=&name=a":              {"column 5", "needs a value"},
		"=prod":                    {"column 1", "env=prod"},
		"env=prod name=a":          {"column 10", "& or |"},
		"env=prod &":               {"column 11", "the end"},
		"(env=prod":                {"column 10", "column 1 "},
		"env=prod)":                {"column 9", `")"`},
		`purpose="open`:            {"column 9", "not closed"},
		`purpose>""`:               {"no order"},
		`memory>""`:                {"column 8", "= and != only"},
		"purpose=größe & nam=x":    {"column 17", "did you mean name?"},
		strings.Repeat("(", 100):   {"levels"},
		strings.Repeat("a", 5000):  {"5000 bytes"},
		"restart.policy=sometimes": {"no, always"},
		"name!~x":                  {"column 5"},
	} {
		_, err := filterSettings.ParseFilter(text)
		if !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%.40s: %v", text, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%.40s: %q lacks %q", text, err, w)
			}
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"env=prod & owner=dev1 & state=running & memory>1GiB", `!(purpose~"a*" | "label.a b"="\"") & ip=10.0.0.0/8`,
		`created>"2h ago"`, "expires=\"\"", "((((name=a))))", "\xff=\xff", `name="` + "\ufffd" + `"`,
	} {
		f.Add(seed)
	}
	subject := filterSubject()
	f.Fuzz(func(t *testing.T, text string) {
		one, err := filterSettings.ParseFilter(text)
		if err != nil {
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		two, err := filterSettings.ParseFilter(one.String())
		if err != nil && len(one.String()) <= 4096 {
			t.Fatalf("%q is written %q, which is refused: %v", text, one, err)
		}
		if err == nil && (two.String() != one.String() ||
			one.At(filterNow).Match(subject) != two.At(filterNow).Match(subject)) {
			t.Fatalf("%q is written %q, and that %q", text, one, two)
		}
	})
}

func BenchmarkFilterMatch(b *testing.B) {
	f, err := inventory.ParseFilter("env=prod & owner=dev1 & state=running & memory>=1GiB")
	if err != nil {
		b.Fatal(err)
	}
	var s inventory.FilterSubject = filterSubject()
	for b.Loop() {
		if !f.Match(s) {
			b.Fatal("no match")
		}
	}
}
