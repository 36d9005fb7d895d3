package main

import (
	"io"
	"os"
	osexec "os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"lodge/web/api"
)

func operationsOf(verb string) api.OperationQuery { return api.OperationQuery{Verb: verb} }

// reachedBy says which command reaches each verb of the API.
var reachedBy = map[string]string{
	"container.create": "create", "container.launch": "launch", "container.clone": "clone",
	"container.import": "import", "container.view": "show",
	"container.update": "set", "container.rename": "rename", "container.revert": "revert", "container.start": "start",
	"container.stop": "stop", "container.restart": "restart", "container.kill": "kill", "container.freeze": "freeze",
	"container.unfreeze": "unfreeze", "container.delete": "delete", "container.restore": "trash restore",
	"container.purge": "trash purge", "container.exec": "exec", "container.shell": "shell", "container.console": "console", "container.sftp": "ssh",
	"certificate.sign": "ssh cert", "certificate.view": "ssh-config", "certificate.revoke": "ssh revoke",
	"authority.view": "ssh authority list", "authority.add": "ssh authority add", "authority.remove": "ssh authority remove",
	"container.console-log": "console", "container.file.read": "file pull", "container.file.write": "file push",
	"container.file.list": "file list", "container.file.delete": "file delete",
	"snapshot.create": "snapshot create", "snapshot.restore": "snapshot restore", "snapshot.delete": "snapshot delete",
	"container.device.add": "device add", "container.device.remove": "device remove",
	"volume.view": "volume list", "volume.create": "volume create", "volume.resize": "volume resize", "volume.delete": "volume delete", "volume.update": "volume set",
	"volume.attach": "volume attach", "volume.detach": "volume detach", "volume.move": "volume move",
	"volume.snapshot": "volume snapshot create", "volume.restore": "volume snapshot restore",
	"volume.snapshot.delete": "volume snapshot delete",
	"session.attach":         "session attach", "session.end": "session end", "session.watch": "session watch", "session.recording": "session replay",
	"image.view": "image list", "image.build": "image build", "image.import": "image import", "image.alias": "image alias",
	"image.delete": "image delete", "image.publish": "image publish", "image.export": "image export", "image.pull": "image pull",
	"image.remote.browse": "image list", "image.remote.add": "image remote add", "image.remote.remove": "image remote remove", "config.set": "config set", "config.view": "config list",
	"audit.view": "audit list", "audit.verify": "audit verify", "audit.export": "audit export", "evidence.export": "evidence", "audit.reindex": "audit reindex", "audit.rotate": "audit rotate", "event.view": "event tail", "host.view": "host show", "host.check": "host check",
	"user.view": "user list", "user.create": "user create", "user.update": "user link", "user.disable": "user disable",
	"user.enable": "user enable", "user.delete": "user delete", "group.view": "group list", "group.create": "group create",
	"group.update": "group add", "group.delete": "group delete", "key.view": "key list", "key.add": "key add", "key.remove": "key remove",
	"role.view": "role list", "role.grant": "role grant", "role.revoke": "role revoke",
	"secret.view": "secret list", "secret.set": "secret set", "secret.delete": "secret delete", "secret.rotate": "secret rotate",
	"token.view": "token list", "token.create": "token create", "token.revoke": "token revoke",

	"affinity.view": "affinity list", "affinity.add": "affinity add", "affinity.remove": "affinity remove",
	"dns.view": "dns list", "dns.add": "dns add", "dns.remove": "dns remove",
	"policy.view": "policy list", "policy.test": "policy test", "policy.set": "policy set",
	"policy.expect.add": "policy expect add", "policy.expect.remove": "policy expect remove",
	"firewall.view": "firewall list", "firewall.allow": "firewall allow", "firewall.deny": "firewall deny", "firewall.remove": "firewall remove",
	"firewall.test": "firewall test", "firewall.log": "firewall log",
	"forward.view": "forward list", "forward.add": "forward add", "forward.remove": "forward remove",
	"network.view": "network list", "network.create": "network create", "network.update": "network set", "network.delete": "network delete",
	"address.view": "address list", "address.reserve": "address reserve", "address.release": "address release",
	"pool.view": "pool list", "deadline.view": "show",

	"project.view": "project list", "project.create": "project create", "project.update": "project set",
	"project.delete": "project delete", "quota.view": "quota list", "quota.set": "quota set",
	"sudo.grant": "sudo", "sudo.end": "sudo end",
	"lease.set": "lease set", "lease.extend": "lease extend", "lease.clear": "lease clear",
	"change.view": "change list", "change.approve": "change approve", "change.cancel": "change cancel",
	"change.reject": "change reject", "change.review": "change review", "change.close": "change close", "window.view": "window list", "window.create": "window create",
	"window.remove": "window remove", "change.release": "change release", "change.withdraw": "change withdraw",
	"operation.view": "operation list", "operation.cancel": "operation cancel",
	"session.view":           "session list",
	"container.move-project": "move", "container.move": "move", "container.move.tidy": "move",
	"pool.create": "pool create", "pool.delete": "pool delete", "pool.set-default": "pool set-default", "pool.scrub": "pool scrub",
}

// leaves returns every command that does something, by its path.
func leaves(level []*cli.Command, prefix string) map[string]*cli.Command {
	all := map[string]*cli.Command{}
	for _, cmd := range level {
		if len(cmd.Subcommands) == 0 || cmd.Action != nil {
			all[prefix+cmd.Name] = cmd
		}
		for path, sub := range leaves(cmd.Subcommands, prefix+cmd.Name+" ") {
			all[path] = sub
		}
	}
	return all
}

func program() *cli.App { return newApp(strings.NewReader(""), io.Discard, io.Discard) }

// TestEveryVerbHasACommand reads the verbs from the API's document.
func TestEveryVerbHasACommand(t *testing.T) {
	doc, err := os.ReadFile("../../web/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var verbs []string
	for _, m := range regexp.MustCompile(`(?m)^ +x-lodge-verb: (\S+)$`).FindAllSubmatch(doc, -1) {
		verbs = append(verbs, string(m[1]))
	}
	for _, block := range regexp.MustCompile(`(?m)^( +)x-lodge-verb-variants:\n((?:\s+\S+: \S+\n)+?)(?: *\S+:\n|\z| *[a-z]+:$)`).FindAllSubmatch(doc, -1) {
		for _, m := range regexp.MustCompile(`: (\S+)\n`).FindAllSubmatch(block[2], -1) {
			verbs = append(verbs, string(m[1]))
		}
	}
	if len(verbs) < 40 {
		t.Fatalf("only %d verbs found in the API's document", len(verbs))
	}
	commands := leaves(program().Commands, "")
	for _, verb := range verbs {
		if !strings.Contains(verb, ".") {
			continue // a neighbouring field of the document
		}
		command, ok := reachedBy[verb]
		if !ok {
			t.Errorf("no command is said to reach %s", verb)
			continue
		}
		if commands[command] == nil {
			t.Errorf("%s is said to be reached by 'lodge %s', which does not exist", verb, command)
		}
	}
}

// TestHelp: every command says what it takes, shows an example that can be read, and the exit
// codes.
func TestHelp(t *testing.T) {
	app := program()
	commands := leaves(app.Commands, "")
	for path, cmd := range commands {
		lines := examples[path]
		if len(lines) == 0 {
			t.Errorf("lodge %s has no example", path)
		}
		if cmd.Usage == "" || cmd.Category == "" && !strings.Contains(path, " ") {
			t.Errorf("lodge %s has no usage or category", path)
		}
		for _, line := range lines {
			if !strings.Contains(line, "lodge "+path) && !strings.Contains(line, "lodge ls") {
				t.Errorf("the example %q is not one of lodge %s", line, path)
			}
			if _, err := reorder(app, exampleArgs(line)); err != nil {
				t.Errorf("the example %q: %v", line, err)
			}
		}
		var out strings.Builder
		if code := run(t.Context(), append(append([]string{"lodge", "help"}, strings.Fields(path)...), "x")[:2+len(strings.Fields(path))], nil, &out, io.Discard); code != 0 {
			t.Errorf("lodge help %s: exit code %d", path, code)
		}
		if path != "help" && (!strings.Contains(out.String(), "Examples:") || !strings.Contains(out.String(), "EXIT CODES")) {
			t.Errorf("lodge help %s says:\n%s", path, out.String())
		}
	}
	for path := range examples {
		if commands[path] == nil {
			t.Errorf("there are examples of 'lodge %s', which does not exist", path)
		}
	}
}

// exampleArgs splits an example as a shell would: words, quotes, and only the part that is ours.
func exampleArgs(line string) []string {
	line = line[strings.Index(line, "lodge"):]
	var args []string
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|([^\s'"]+)`).FindAllStringSubmatch(line, -1) {
		if m[3] == "|" || m[3] == ">" || m[3] == "&&" {
			break
		}
		args = append(args, m[1]+m[2]+m[3])
	}
	return args
}

// TestMutationsTakeTheCommonFlags: whatever changes something can be planned, explained and waited
// for.
func TestMutationsTakeTheCommonFlags(t *testing.T) {
	commands := leaves(program().Commands, "")
	for _, path := range strings.Split("create launch clone set unset resize edit rename move apply label owner revert start stop restart kill freeze unfreeze delete|"+
		"device add|device remove|volume create|volume attach|volume detach|volume move|volume resize|volume delete|"+
		"trash restore|trash purge|snapshot create|snapshot restore|snapshot delete|image build|image import|image alias|image delete|image publish|image pull|config set|config unset|project create|project set|project unset|project delete|quota set|quota unset|lease set|lease extend|lease clear|pool create|pool delete|pool set-default|pool scrub", "|") {
		names := []string{path}
		if strings.Count(path, " ") > 1 {
			names = strings.Fields(path)
		}
		for _, name := range names {
			var flags []string
			for _, f := range commands[name].Flags {
				flags = append(flags, f.Names()...)
			}
			for _, want := range []string{"plan", "reason", "ticket", "wait", "no-wait", "timeout", "wait-timeout", "yes"} {
				if !slices.Contains(flags, want) {
					t.Errorf("lodge %s has no --%s", name, want)
				}
			}
		}
	}
}

// TestReorder: see reorder for why.
func TestReorder(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"lodge list", "lodge list"},
		{"lodge delete web1 --plan", "lodge delete --plan -- web1"},
		{"lodge delete web1 -- web2", "lodge delete -- web1 web2"},
		{"lodge stop web1 -o json --timeout 3s", "lodge -o=json stop --timeout=3s -- web1"},
		{"lodge --host unix:/x rm web1", "lodge --host=unix:/x delete -- web1"},
		{"lodge exec web1 --user u -o json -- ls -l --plan", "lodge -o=json exec --user=u -- web1 -- ls -l --plan"},
		{"lodge exec web1 -- -- x", "lodge exec -- web1 -- -- x"},
		{"lodge file pull web1/x -", "lodge file pull -- web1/x -"},
		{"lodge snapshot create create", "lodge snapshot create -- create"},
		{"lodge start help", "lodge start -- help"},
		{"lodge help start", "lodge start --help"},
		{"lodge help", "lodge --help"},
		{"lodge start web1 -h", "lodge start --help"},
		{"lodge --version", "lodge --version"},
		{"lodge set web1 a=--b", "lodge set -- web1 a=--b"},
		{"lodge launch i n --purpose x --label a=b --label c=d", "lodge launch --purpose=x --label=a=b --label=c=d -- i n"},
		{"lodge start --generate-bash-completion", "lodge start --generate-bash-completion"},
	} {
		got, err := reorder(program(), strings.Fields(tt.in))
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s\n got %s, %v\nwant %s", tt.in, strings.Join(got, " "), err, tt.want)
		}
	}
}

func FuzzReorder(f *testing.F) {
	f.Add("delete web1 --plan")
	f.Add("exec web1 -- x -y")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := reorder(program(), append([]string{"lodge"}, strings.Fields(text)...))
		if err != nil || slices.Contains(got, "exec") || slices.Contains(got, "--generate-bash-completion") {
			return
		}
		i := slices.Index(got, "--")
		if i < 0 {
			return
		}
		for _, name := range got[i+1:] {
			if strings.HasPrefix(name, "-") && name != "-" {
				t.Errorf("%q became %q, with a flag among the names", text, got)
			}
		}
	})
}

// TestBuildsEverywhere: administrators have laptops.
func TestBuildsEverywhere(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		cmd := osexec.Command("go", "build", "-o", os.DevNull, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH=amd64", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", system, err, out)
		}
	}
}
