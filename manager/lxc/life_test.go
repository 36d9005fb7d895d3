package lxc_test

import (
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/lxc"
	"lodge/packaging/need"
)

// waits is an init that does nothing until it is told to power off.
const waits = "trap 'poweroff -f' PWR; sleep 100000 & wait"

func TestStartStop(t *testing.T) {
	b := newBench(t)
	boot := b.container("", nil)
	c := boot.Container
	began := time.Now()
	b.start(boot)
	t.Logf("configured and started in %s", time.Since(began))
	if state := b.State(c); state != inventory.StateRunning {
		t.Fatalf("it is %s", state)
	}
	o := b.Observe(c)
	if o.InitPID == 0 || o.Processes == 0 || o.Memory == 0 {
		t.Errorf("observed %+v", o)
	}
	if age := time.Since(o.StartedAt); age < -time.Second || age > time.Minute {
		t.Errorf("started at %s", o.StartedAt)
	}
	if err := b.Stop(t.Context(), c, 20*time.Second, false); err != nil {
		t.Fatal(err)
	}
	if state := b.State(c); state != inventory.StateStopped {
		t.Errorf("after stop it is %s", state)
	}
	if e := b.exit(); e.ID != c.ID || e.Target != "stop" || !e.Asked {
		t.Errorf("exit %+v", e)
	}
}

func TestStartTwiceIsOneStart(t *testing.T) {
	b := newBench(t)
	boot := b.container("", nil)
	b.start(boot)
	pid := b.Observe(boot.Container).InitPID
	b.start(boot)
	if again := b.Observe(boot.Container).InitPID; again != pid {
		t.Errorf("init was %d and is %d", pid, again)
	}
}

func TestStartFailsWithReason(t *testing.T) {
	for name, test := range map[string]struct{ script, reason string }{
		"init exits":          {"exit 3", "ended at once"},
		"interpreter missing": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			boot := b.container(test.script+"\n", nil)
			if test.reason == "" {
				rewrite(t, boot, "sbin/init", "#!/no/such/interpreter\n")
				test.reason = "No such file"
			}
			if err := b.Configure(t.Context(), boot); err != nil {
				t.Fatal(err)
			}
			err := b.Start(t.Context(), boot)
			if err == nil {
				t.Fatal("it started")
			}
			if !errors.Is(err, inventory.ErrUnavailable) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("error %q does not say %q", err, test.reason)
			}
			t.Log(err)
			if state := b.State(boot.Container); state != inventory.StateStopped {
				t.Errorf("it is %s", state)
			}
		})
	}
}

func TestKill(t *testing.T) {
	b := newBench(t)
	boot := b.container("while :; do sleep 1000; done", nil)
	c := boot.Container
	b.start(boot)
	err := b.Stop(t.Context(), c, 100*time.Millisecond, false)
	if !errors.Is(err, inventory.ErrState) {
		t.Fatalf("an init that ignores its signal was stopped: %v", err)
	}
	if state := b.State(c); state != inventory.StateRunning {
		t.Errorf("after the failed stop it is %s", state)
	}
	began := time.Now()
	if err := b.Stop(t.Context(), c, 100*time.Millisecond, true); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed after %s", time.Since(began))
	b.start(boot) // waits for the clean-up
	if err := b.Kill(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestFreeze(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	c := boot.Container
	b.start(boot)
	if err := b.Freeze(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if state := b.State(c); state != inventory.StateFrozen {
		t.Errorf("frozen it is %s", state)
	}
	if err := b.Unfreeze(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if state := b.State(c); state != inventory.StateRunning {
		t.Errorf("thawed it is %s", state)
	}
	if err := b.Freeze(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(t.Context(), c, 20*time.Second, false); err != nil {
		t.Errorf("a frozen container can't be stopped: %v", err)
	}
}

func TestGuestReboot(t *testing.T) {
	b := newBench(t)
	boot := b.container("test -e /seen || { touch /seen; sleep 0.3; reboot -f; }\n"+waits, nil)
	c := boot.Container
	openRootfs(t, boot)
	b.start(boot)
	first := b.Observe(c).InitPID
	e := b.exit()
	if e.Target != "reboot" || e.Asked {
		t.Fatalf("exit %+v", e)
	}
	eventually(t, "a new init", func() bool {
		o := b.Observe(c)
		return o.State == inventory.StateRunning && o.InitPID != 0 && o.InitPID != first
	})
	if e := b.exit(); e.Target != lxc.TargetStart || e.ID != c.ID {
		t.Errorf("of the new init it is told %+v", e)
	}
	if err := b.Stop(t.Context(), c, 20*time.Second, false); err != nil {
		t.Fatal(err)
	}
	if e := b.exit(); e.Target != "stop" || !e.Asked {
		t.Errorf("exit %+v", e)
	}
}

func TestGuestPoweroff(t *testing.T) {
	b := newBench(t)
	boot := b.container("sleep 0.3; poweroff -f", nil)
	b.start(boot)
	if e := b.exit(); e.Target != "stop" || e.Asked {
		t.Fatalf("exit %+v", e)
	}
	eventually(t, "stopped", func() bool { return b.State(boot.Container) == inventory.StateStopped })
}

// What the agent left for nft to do at a start is done before init runs, and init does not run without.
func TestGuardBeforeInit(t *testing.T) {
	b := newBench(t)
	need.Program(t, "nft")
	boot := b.container("while :; do sleep 1; done", nil)
	table := "lodgetest_" + strings.ToLower(rand.Text()[:8])
	t.Cleanup(func() { exec.Command("nft", "delete", "table", "inet", table).Run() })
	guards := filepath.Join(b.root, "run", "guards")
	if err := os.MkdirAll(guards, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		script string
		starts bool
	}{{"no nft script at all", false}, {"add table inet " + table, true}} {
		if err := os.WriteFile(filepath.Join(guards, string(boot.Container.ID)), []byte(test.script+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.Configure(t.Context(), boot), b.Start(t.Context(), boot)); (err == nil) != test.starts {
			t.Errorf("with %q the start says %v", test.script, err)
		}
	}
	ran := func(table string) bool { return exec.Command("nft", "list", "table", "inet", table).Run() == nil }
	if !ran(table) {
		t.Error("nft did not run")
	}
	// The same holds for an interface that comes while it runs.
	own := inventory.Device{Name: "own", Type: inventory.DeviceNIC, Properties: map[string]string{"nictype": "p2p"}}
	boot.Container.Devices = []inventory.Device{own}
	boot.Container.NICs = []inventory.NIC{{Name: "own0", MAC: "02:00:00:00:00:11", Device: "own", Index: 1}}
	script := filepath.Join(guards, string(boot.Container.ID))
	for text, comes := range map[string]bool{"no nft script at all": false, "delete table inet " + table: true} {
		if err := os.WriteFile(script, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.Attach(t.Context(), boot, own); (err == nil) != comes {
			t.Errorf("with %q it is given as %v", text, err)
		}
		up, err := net.InterfaceByName(boot.Container.HostInterface(1))
		if comes && (err != nil || up.Flags&net.FlagUp == 0 || ran(table)) || !comes && err == nil && up.Flags&net.FlagUp != 0 {
			t.Errorf("with %q the interface is %v, %v", text, up, err)
		}
		if err := b.Detach(t.Context(), boot, own); err != nil {
			t.Error(err)
		}
	}
}
