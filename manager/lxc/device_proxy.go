package lxc

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// proxyKind passes a port of the host into the container, or one of the container out. A process of
// nobody's does it, lodge-lxc proxy, that ends with the container's init and outlives the agent.
var proxyKind = deviceKind{
	row: inventory.DeviceType{Name: "proxy", Required: []string{"listen", "connect"}, Effect: inventory.EffectLive,
		Risk: inventory.RiskMedium, Rule: checkProxy,
		Doc: "A port of the host that leads into the container, or one of the container that leads out.",
		Properties: []inventory.Setting{
			{Name: "listen", Type: inventory.TypeText, Risk: inventory.RiskMedium,
				Doc: "Where it listens, like tcp:127.0.0.1:8080 or udp:0.0.0.0:53; what is not on 127.0.0.1 others can reach."},
			{Name: "connect", Type: inventory.TypeText, Risk: inventory.RiskMedium,
				Doc: "What it connects to on the other side, like tcp:127.0.0.1:80."},
			{Name: "side", Type: inventory.TypeEnum, Values: []string{"host", "container"}, Default: "host",
				Risk: inventory.RiskHigh,
				Doc:  "Where it listens: host leads into the container; container leads out, to whatever the host can reach."},
		}},
	attach:  attachProxy,
	detach:  detachProxy,
	started: attachProxy,
}

func checkProxy(d inventory.Device) error {
	from, _, err := inventory.ParseProxyAddress(d.Properties["listen"])
	if err != nil {
		return err
	}
	to, _, err := inventory.ParseProxyAddress(d.Properties["connect"])
	if err == nil && from != to {
		err = inventory.Errorf(inventory.ErrInvalid, "device %s: it can't listen on %s and connect by %s", d.Name, from, to)
	}
	return err
}

// proxyFacts are kept of a proxy that runs, for this agent and the next.
type proxyFacts struct {
	PID    int              `json:"pid"`
	Start  uint64           `json:"start"`
	Init   int              `json:"init"`
	Device inventory.Device `json:"device"`
}

func (r *Runtime) proxyPath(id inventory.ContainerID, device string) string {
	return filepath.Join(r.runDir, "proxies", string(id), device)
}

func (r *Runtime) proxy(id inventory.ContainerID, device string) (f proxyFacts, alive bool) {
	text, err := os.ReadFile(r.proxyPath(id, device))
	if err != nil || json.Unmarshal(text, &f) != nil {
		return f, false
	}
	return f, process{f.PID, f.Start}.isAlive()
}

func attachProxy(ctx context.Context, r *Runtime, c run, b inventory.Boot, d inventory.Device) error {
	t := r.tend(c.id, d.Name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, alive := r.proxy(c.id, d.Name); alive && f.Init == c.init.pid && f.Device.Equal(d) {
		return nil
	} else if alive {
		signalProcess(process{f.PID, f.Start}, unix.SIGKILL)
	}
	return r.startProxy(ctx, c, d)
}

// startProxy starts the process and keeps what is to be known of it. The caller holds the tended's lock.
func (r *Runtime) startProxy(ctx context.Context, c run, d inventory.Device) error {
	var answer struct {
		PID   int    `json:"pid"`
		Error string `json:"error"`
	}
	err := r.runHelper(ctx, "proxy-"+string(c.id)+"-"+d.Name, &answer, "proxy", "start", strconv.Itoa(c.init.pid),
		d.Properties["side"], d.Properties["listen"], d.Properties["connect"])
	if err != nil {
		return err
	}
	if answer.Error != "" {
		return inventory.Errorf(inventory.ErrUnavailable, "device %s: %s", d.Name, answer.Error)
	}
	p, ok := lookUp(answer.PID)
	if !ok {
		return inventory.Errorf(inventory.ErrUnavailable, "device %s: its process ended at once", d.Name)
	}
	text, err := json.Marshal(proxyFacts{p.pid, p.start, c.init.pid, d})
	if err == nil {
		path := r.proxyPath(c.id, d.Name)
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = writeFile(path, text)
		}
	}
	if err != nil {
		signalProcess(p, unix.SIGKILL)
		return err
	}
	r.watchProxy(c.id, d.Name, p)
	return nil
}

func detachProxy(_ context.Context, r *Runtime, c run, _ inventory.Boot, d inventory.Device) error {
	t := r.tend(c.id, d.Name)
	t.mu.Lock()
	defer t.mu.Unlock()
	f, alive := r.proxy(c.id, d.Name)
	if err := removeFile(r.proxyPath(c.id, d.Name)); err != nil {
		return err
	}
	if r.untend(c.id, d.Name); alive {
		signalProcess(process{f.PID, f.Start}, unix.SIGKILL)
	}
	return nil
}

// startDevices does for the devices of a container that has just started what takes a running one.
func (r *Runtime) startDevices(ctx context.Context, b inventory.Boot) error {
	for _, d := range b.Container.Devices {
		k, err := kindOf(d)
		if err != nil || k.started == nil {
			continue
		}
		c, state := r.look(b.Container)
		if !state.IsLive() {
			return nil
		}
		if err := k.started(ctx, r, c, b, d); err != nil {
			return err
		}
	}
	return nil
}
