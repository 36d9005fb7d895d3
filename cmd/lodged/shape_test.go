package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"lodge/inventory"
	"lodge/manager/change"
	"lodge/manager/container"
	"lodge/manager/gate"
	"lodge/manager/image"
	"lodge/manager/lxc"
	"lodge/manager/policy"
	"lodge/manager/pool"
	"lodge/manager/project"
	"lodge/manager/session"
	"lodge/manager/volume"
	"lodge/web/api"
	"lodge/web/wire"
)

// repository is the root of the source tree, seen from this package.
const repository = "../.."

// everyVerb is the table the agent hands to its gate, of services that serve nothing.
func everyVerb(t *testing.T) []gate.Verb {
	t.Helper()
	images, err := image.New(image.Config{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(session.Config{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{images: images, changes: change.New(change.Config{}), sessions: sessions, container: container.New(container.Config{}),
		projects: project.New(project.Config{}), volumes: volume.New(volume.Config{}), pools: pool.New(pool.Config{}), policies: policy.New(policy.Config{})}
	return a.verbs()
}

// A verb's name is its audit name and the permission people write down: it can't be odd.
var verbName = regexp.MustCompile(`^[a-z]+(\.[a-z]+(-[a-z]+)*)+$`)

func TestVerbsAreComplete(t *testing.T) {
	verbs := everyVerb(t)
	if _, err := gate.New(gate.Config{}, verbs...); err != nil {
		t.Fatal(err)
	}
	operations := api.VerbOperations()
	for _, v := range verbs {
		if !verbName.MatchString(v.Name) {
			t.Errorf("%q is no name for the audit journal", v.Name)
		}
		if !slices.Contains(inventory.Rights, v.Right) {
			t.Errorf("%s asks for the right %q, which nobody can have", v.Name, v.Right)
		}
		if !slices.Contains([]gate.Mode{gate.ModeOperation, gate.ModeSession, gate.ModeRead, gate.ModeDecision}, v.Mode) {
			t.Errorf("%s has the mode %q", v.Name, v.Mode)
		}
		if v.Mode != gate.ModeRead && !slices.Contains([]inventory.Risk{inventory.RiskLow, inventory.RiskMedium, inventory.RiskHigh}, v.Risk) {
			t.Errorf("%s has the risk %q", v.Name, v.Risk)
		}
		if operations[v.Name] == "" && !withoutOperation[v.Name] {
			t.Errorf("no API operation reaches %s", v.Name)
		}
		for i, s := range v.Steps {
			if s.Name == "" || s.Do == nil {
				t.Errorf("%s: step %d lacks its name or what it does", v.Name, i)
			}
		}
	}
	for verb := range operations {
		if !slices.ContainsFunc(verbs, func(v gate.Verb) bool { return v.Name == verb }) {
			t.Errorf("the API operation %s is for the verb %s, which the gate doesn't have", operations[verb], verb)
		}
	}
}

// Nothing is reached but under a verb's name: whoever grants rights sees all there is to grant.
func TestOperationsNameTheirVerbs(t *testing.T) {
	raw, err := os.ReadFile(repository + "/web/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type operation struct {
		ID       string            `yaml:"operationId"`
		Verb     string            `yaml:"x-lodge-verb"`
		Variants map[string]string `yaml:"x-lodge-verb-variants"`
	}
	var document struct {
		Paths map[string]map[string]operation
	}
	if err := yaml.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method, op := range methods {
			if op.Verb == "" && len(op.Variants) == 0 && op.ID != "version" {
				t.Errorf("%s %s (%s) passes the gate under no verb", method, path, op.ID)
			}
		}
	}
}

// withoutOperation are the verbs asked for on the way to another one, and what only SSH asks for.
var withoutOperation = map[string]bool{"image.upload": true, "container.upload": true, "container.forward": true, "container.socket": true, "container.agent": true}

// Every verb is reached by the command its row names.
func TestVerbsHaveCommands(t *testing.T) {
	lodge := filepath.Join(t.TempDir(), "lodge")
	buildCommandLine(t, lodge, "linux")
	for _, v := range everyVerb(t) {
		command, _, _ := strings.Cut(v.Command, " --") // "console --log" is a flag of a command
		out, err := exec.Command(lodge, append(strings.Fields(command), "--help")...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "lodge "+command+" - ") {
			t.Errorf("%s is said to be reached by 'lodge %s', and there is no such command", v.Name, v.Command)
		}
	}
}

// The command line is typed on laptops too.
func TestCommandLineBuildsEverywhere(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		buildCommandLine(t, filepath.Join(t.TempDir(), "lodge"), system)
	}
}

func buildCommandLine(t *testing.T, to, system string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", to, "lodge/cmd/lodge")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("lodge for %s: %v\n%s", system, err, out)
	}
}

// appliedBy says which package brings each setting about that is not part of a container's LXC
// configuration. A new setting is named here by whoever applies it.
var appliedBy = map[string]string{
	"disk":           "manager/container, through the pool",
	"sudo.max":       "manager/sudo",
	"restart.policy": "manager/container",
	"after.timeout":  "manager/container",
	"stop.timeout":   "manager/container",
	"power.hours":    "manager/container",
	"trash.keep":     "manager/container",
	"image.mirror":   "manager/image",
	"policy.hold":    "manager/policy",
	"audit.keep":     "manager/journal",
	"ssh.listen":     "sshgate",
	"ssh.banner":     "sshgate",
	"ssh.agent":      "sshgate",

	"session.record":            "manager/session",
	"session.idle":              "manager/session, in the holder",
	"session.accounts":          "manager/account",
	"session.total":             "manager/session, in the holder",
	"session.logins":            "manager/session, in the holder",
	"session.record.required":   "manager/session",
	"session.record.recipients": "manager/session",
	"session.record.max":        "manager/session",
	"session.record.room":       "manager/session",
	"session.record.keep":       "manager/session",

	"audit.syslog":          "manager/anchor",
	"audit.syslog.ca":       "manager/anchor",
	"audit.syslog.cert":     "manager/anchor",
	"audit.syslog.key":      "manager/anchor",
	"audit.drop":            "manager/anchor",
	"audit.journald":        "manager/anchor",
	"audit.anchor.interval": "manager/anchor",

	"policy.solo":         "manager/policy",
	"security.immutable":  "manager/policy",
	"network.ipv4":        "network",
	"network.nat":         "network",
	"network.host.access": "network",
	"network.log":         "network",
	"network.within":      "manager/firewall, through network",
	"storage.host_paths":  "manager/container, through manager/lxc",
	"dns.upstream":        "network",
	"dns.secondaries":     "network",
	"dns.listen":          "network",
	"dns.host":            "network",
	"dns.push":            "network",
	"network.in":          "manager/container, through network",
	"network.out":         "manager/container, through network",

	"lease.default":     "manager/container, by the rules of inventory",
	"lease.max":         "manager/lease and manager/container, by the rules of inventory",
	"lease.total":       "manager/lease and manager/container, by the rules of inventory",
	"lease.warn":        "manager/lease",
	"snapshot.schedule": "manager/schedule", "snapshot.keep": "manager/schedule",
	"lease.grace": "manager/container, by the rules of inventory",

	"change.approval.keep": "manager/change",
	"change.review.due":    "manager/change",
	"change.standard":      "manager/change",
	"change.signature":     "manager/change",

	"ssh.authority.lifetime": "sshgate",
	"host.reserve.cpus":      "manager/container",
	"host.reserve.memory":    "manager/container",
	"host.reserve.disk":      "manager/container",
	"host.overcommit.cpus":   "manager/container",
	"host.overcommit.memory": "manager/container",
	"host.overcommit.disk":   "manager/container",
}

func TestSettingsAreApplied(t *testing.T) {
	table := settingsTable()
	mapped := lxc.Mapped()
	for name := range table {
		if slices.Contains(mapped, name) == (appliedBy[name] != "") {
			t.Errorf("%s has to be applied by one package: manager/lxc maps it (lxc.Mapped), or appliedBy says who does", name)
		}
	}
	for _, name := range slices.Concat(mapped, slices.Collect(maps.Keys(appliedBy))) {
		if _, ok := table[name]; !ok {
			t.Errorf("%s is applied and can't be set", name)
		}
	}
	if rows := len(slices.Concat(settingsRows()...)); rows != len(table) {
		t.Errorf("the table has %d settings, the packages have %d", len(table), rows)
	}
}

func TestSettingsAreWhole(t *testing.T) {
	for name, s := range settingsTable() {
		t.Run(name, func(t *testing.T) {
			if !regexp.MustCompile(`^[a-z]+(\.[a-z0-9_]+)*$`).MatchString(name) {
				t.Error("the name is odd")
			}
			if len(s.Scopes) == 0 || s.Effect == "" || s.Risk == "" {
				t.Errorf("scopes %v, effect %q, risk %q: one is missing", s.Scopes, s.Effect, s.Risk)
			}
			if !strings.HasSuffix(s.Doc, ".") {
				t.Errorf("doc %q is no sentence", s.Doc)
			}
			for _, value := range slices.Concat([]string{s.Default, s.Min, s.Max}, s.Values) {
				if value == "" {
					continue
				}
				canonical, err := s.Check(value)
				if err != nil {
					t.Errorf("its own %q: %v", value, err)
				} else if value == s.Default && canonical != value {
					t.Errorf("the default is shown as %q in one place and as %q in another", value, canonical)
				}
			}
		})
	}
}

var update = flag.Bool("update", false, "write golden files")

// The tests that docs/security.md names run in every run.
func TestSecurityPageNamesTests(t *testing.T) {
	page, err := os.ReadFile(repository + "/docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	mustRun, err := os.ReadFile(repository + "/testdata/must-run")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:cmd|manager|web|inventory|sshgate|network)[a-z/]*\\.Test\\w+)`").FindAllSubmatch(page, -1)
	if len(named) < 20 {
		t.Errorf("it names %d tests", len(named))
	}
	for _, m := range named {
		if !strings.Contains(string(mustRun), "lodge/"+string(m[1])+"\n") {
			t.Errorf("docs/security.md names %s, which testdata/must-run has not", m[1])
		}
	}
}

// A name in testdata/must-run that no test has would be told only when every test has run.
func TestMustRunIsThere(t *testing.T) {
	list, err := os.ReadFile(repository + "/testdata/must-run")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]string{}
	for name := range strings.FieldsSeq(string(list)) {
		folder, test, _ := strings.Cut(strings.TrimPrefix(name, "lodge/"), ".")
		if declared[folder] == "" {
			declared[folder] = testsOf(t, folder)
		}
		test, _, _ = strings.Cut(test, "/")
		if !strings.Contains(declared[folder], "\nfunc "+test+"(") {
			t.Errorf("testdata/must-run names %s, which is no test", name)
		}
	}
}

// testsOf is the source of a folder's tests.
func testsOf(t *testing.T, folder string) string {
	files, err := filepath.Glob(filepath.Join(repository, folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests (%v)", folder, err)
	}
	var b strings.Builder
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(source)
	}
	return b.String()
}

// docs/settings.md is the table, as people read it.
func TestSettingsManual(t *testing.T) {
	const page = repository + "/docs/settings.md"
	table := settingsTable()
	var b strings.Builder
	b.WriteString("# Settings\n\nWritten by `go test ./cmd/lodged -run SettingsManual -update` from the table the agent works with.\n" +
		"What is set on a container wins over its project's value (`lodge project set`), that over the host's (`lodge config set`),\n" +
		"and that over the default.\n\n" +
		"| setting | default | range | where | holds | risk | |\n|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(table)) {
		s := table[name]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", name, code(s.Default), bounds(s), scopes(s),
			map[inventory.Effect]string{inventory.EffectLive: "at once", inventory.EffectRestart: "after a restart",
				inventory.EffectReplace: "in a new root"}[s.Effect], s.Risk, s.Doc)
	}
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, _ := os.ReadFile(page); string(have) != b.String() {
		t.Error("docs/settings.md is not the settings table; go test ./cmd/lodged -run SettingsManual -update writes it")
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func bounds(s inventory.Setting) string {
	switch {
	case len(s.Values) > 0:
		return strings.Join(s.Values, ", ")
	case s.Min != "" && s.Max != "":
		return s.Min + " to " + s.Max
	case s.Min != "":
		return "from " + s.Min
	}
	return string(s.Type)
}

func scopes(s inventory.Setting) string {
	var words []string
	for _, scope := range s.Scopes {
		words = append(words, string(scope))
	}
	return strings.Join(words, ", ")
}

// An error that leaves the agent arrives with its kind and its sentence.
func TestErrorKindsSurviveTheWire(t *testing.T) {
	seen := map[string]string{}
	for _, k := range inventory.ErrorKinds {
		p, ok := wire.FromError(inventory.Errorf(k.Err, "web1: no"))
		if !ok || p.Status != k.Status || p.Type != wire.ProblemType+k.Name || p.Detail != "web1: no" {
			t.Errorf("%s is written as %+v", k.Name, p)
		}
		back, ok := inventory.Kind(p.Err())
		if !ok || back != k || p.Err().Error() != "web1: no" {
			t.Errorf("%s comes back as %s: %v", k.Name, back.Name, p.Err())
		}
		if k.Status < 400 || k.Status > 599 || k.Exit < 1 || k.Exit > 6 {
			t.Errorf("%s has HTTP status %d and exit code %d", k.Name, k.Status, k.Exit)
		}
		for _, edge := range []string{"name " + k.Name, "kind " + k.Err.Error(), fmt.Sprintf("status %d and exit %d", k.Status, k.Exit)} {
			if other := seen[edge]; other != "" && !alike(other, k.Name) {
				t.Errorf("%s and %s can't be told apart by their %s", other, k.Name, edge)
			}
			seen[edge] = k.Name
		}
	}
	if p, ok := wire.FromError(os.ErrClosed); ok {
		t.Errorf("an error without a kind leaves the agent as %+v", p)
	}
	if _, ok := inventory.Kind(wire.Internal("1").Err()); ok {
		t.Error("an internal error comes back with a kind")
	}
}

// alike are the kinds that share an HTTP status (409, conflict) and are told apart by their type.
func alike(a, b string) bool { return a == "exists" && b == "state" }
