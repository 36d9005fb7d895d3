package systemd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// The interface of systemd-resolved is org.freedesktop.resolve1(5).
const (
	resolveName    = "org.freedesktop.resolve1"
	resolvePath    = "/org/freedesktop/resolve1"
	resolveManager = resolveName + ".Manager."
	resolveLink    = resolveName + ".Link"
)

// A Resolver is the host's systemd-resolved. Its methods may be called at the same time.
type Resolver struct {
	mu   sync.Mutex
	conn *godbus.Conn // nil: not connected, or no longer
}

// IsAsked reports whether systemd-resolved runs here, and the host's programs ask it. It is never
// started by the question.
func (r *Resolver) IsAsked(ctx context.Context) bool {
	return asksResolved(readText("/etc/resolv.conf"), readText("/etc/nsswitch.conf")) && r.runsHere(ctx) == nil
}

func readText(path string) string {
	text, _ := os.ReadFile(path) // what can't be read says nothing
	return string(text)
}

// asksResolved reports whether glibc asks systemd-resolved: by its stub, or by its module
// (systemd-resolved.service(8), "/etc/resolv.conf"; nss-resolve(8)).
func asksResolved(resolvConf, nsswitch string) bool {
	for line := range strings.Lines(resolvConf) {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == "nameserver" && (f[1] == "127.0.0.53" || f[1] == "127.0.0.54") {
			return true
		}
	}
	for line := range strings.Lines(nsswitch) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 0 && f[0] == "hosts:" && slices.Contains(f, "resolve") {
			return true
		}
	}
	return false
}

// runsHere fails unless systemd-resolved runs in this network namespace: elsewhere a link's number is
// another link's.
func (r *Resolver) runsHere(ctx context.Context) error {
	conn, err := r.bus(ctx)
	if err != nil {
		return err
	}
	var pid uint32
	err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionUnixProcessID", 0, resolveName).Store(&pid)
	if err != nil {
		return fmt.Errorf("find systemd-resolved: %w", err)
	}
	if comm := readText(fmt.Sprintf("/proc/%d/comm", pid)); comm != "systemd-resolve\n" {
		return errors.New("systemd-resolved is another host's")
	}
	var ours, its unix.Stat_t
	if err := errors.Join(unix.Stat("/proc/self/ns/net", &ours), unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &its)); err != nil {
		return fmt.Errorf("look at systemd-resolved: %w", err)
	}
	if ours.Ino != its.Ino || ours.Dev != its.Dev {
		return errors.New("systemd-resolved is in another network namespace")
	}
	return nil
}

// bus returns the connection, made anew after the bus was restarted.
func (r *Resolver) bus(ctx context.Context) (*godbus.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil && r.conn.Connected() {
		return r.conn, nil
	}
	conn, err := godbus.ConnectSystemBus(godbus.WithContext(context.WithoutCancel(ctx)))
	if err != nil {
		return nil, fmt.Errorf("reach the system bus: %w", err)
	}
	r.conn = conn
	return conn, nil
}

// A server and a domain as the interface has them.
type (
	linkDNS struct {
		Family  int32
		Address []byte
	}
	linkDomain struct {
		Domain    string
		RouteOnly bool
	}
)

// Route has names below domains looked up at servers, through the link of that number, and nothing
// else: names of others, and what links ask their neighbours by multicast, go on as they did. A link
// that is right already is left alone.
func (r *Resolver) Route(ctx context.Context, link int, servers []netip.Addr, domains []string) error {
	if err := r.runsHere(ctx); err != nil {
		return err
	}
	have, err := r.servers(ctx, link)
	if err != nil {
		return err
	}
	var haveDomains []linkDomain
	if err := r.property(ctx, link, "Domains", &haveDomains); err != nil {
		return err
	}
	wanted := make([]linkDomain, len(domains))
	for i, d := range domains {
		wanted[i] = linkDomain{d, true}
	}
	if slices.Equal(have, servers) && slices.Equal(haveDomains, wanted) {
		return nil
	}
	dns := make([]linkDNS, len(servers))
	for i, a := range servers {
		dns[i] = linkDNS{unix.AF_INET6, a.AsSlice()}
		if a.Is4() {
			dns[i].Family = unix.AF_INET
		}
	}
	// Nobody signs names that are private, and nobody encrypts on a bridge of this host.
	for _, call := range []struct {
		method string
		args   []any
	}{
		{"SetLinkDefaultRoute", []any{false}}, {"SetLinkLLMNR", []any{"no"}}, {"SetLinkMulticastDNS", []any{"no"}},
		{"SetLinkDNSOverTLS", []any{"no"}}, {"SetLinkDNSSEC", []any{"no"}},
		{"SetLinkDNS", []any{dns}}, {"SetLinkDomains", []any{wanted}},
	} {
		if err := r.call(ctx, call.method, append([]any{int32(link)}, call.args...)...); err != nil {
			return err
		}
	}
	return nil
}

// Revert takes back what Route did, if the link's servers are these still. Where systemd-resolved does
// not run there is nothing to take back.
func (r *Resolver) Revert(ctx context.Context, link int, servers []netip.Addr) error {
	if r.runsHere(ctx) != nil {
		return nil
	}
	if have, err := r.servers(ctx, link); err != nil || !slices.Equal(have, servers) {
		return err
	}
	return r.call(ctx, "RevertLink", int32(link))
}

// servers are those of a link, without any that can't be read.
func (r *Resolver) servers(ctx context.Context, link int) ([]netip.Addr, error) {
	var raw []linkDNS
	if err := r.property(ctx, link, "DNS", &raw); err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, s := range raw {
		if a, ok := netip.AddrFromSlice(s.Address); ok {
			out = append(out, a)
		}
	}
	return out, nil
}

func (r *Resolver) call(ctx context.Context, method string, args ...any) error {
	conn, err := r.bus(ctx)
	if err != nil {
		return err
	}
	call := conn.Object(resolveName, resolvePath).CallWithContext(ctx, resolveManager+method, godbus.FlagNoAutoStart, args...)
	if call.Err != nil {
		return fmt.Errorf("systemd-resolved: %s: %w", method, call.Err)
	}
	return nil
}

func (r *Resolver) property(ctx context.Context, link int, name string, to any) error {
	conn, err := r.bus(ctx)
	if err != nil {
		return err
	}
	var path godbus.ObjectPath
	err = conn.Object(resolveName, resolvePath).CallWithContext(ctx, resolveManager+"GetLink", godbus.FlagNoAutoStart,
		int32(link)).Store(&path)
	if err != nil {
		return fmt.Errorf("systemd-resolved: link %d: %w", link, err)
	}
	var value godbus.Variant
	err = conn.Object(resolveName, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", godbus.FlagNoAutoStart,
		resolveLink, name).Store(&value)
	if err == nil {
		err = godbus.Store([]any{value.Value()}, to)
	}
	if err != nil {
		return fmt.Errorf("systemd-resolved: %s of link %d: %w", name, link, err)
	}
	return nil
}
