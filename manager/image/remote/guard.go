package remote

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"lodge/inventory"
)

// A guard decides what the child may connect to.
type guard struct {
	home string // HOST:PORT of the remote, which may be anywhere: whoever named it has said so
}

// special are the address blocks that are not the Internet (IANA's special-purpose registries), as
// far as netip does not know them, and those that carry an IPv4 address inside.
var special = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
	"2001::/32", "2001:db8::/32", "2002::/16", "fec0::/10")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// isPublic reports whether an address is one of the Internet's.
func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsUnspecified() || a.IsMulticast() ||
		a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

func errPrivate(host string) error {
	return inventory.Errorf(inventory.ErrInvalid,
		"the server sends on to %.80s, an address of this host or of a private network; that is refused", host)
}

// client returns the HTTP client. stall is how long an answer may be silent.
func (g guard) client(stall time.Duration) *http.Client {
	// The resolver of Go's own: the C library's would load what the host's nsswitch.conf names.
	resolver := &net.Resolver{PreferGo: true}
	open := &net.Dialer{Timeout: stall, Resolver: resolver}
	closed := &net.Dialer{Timeout: stall, Resolver: resolver, Control: g.control}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableCompression: true, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: stall, ResponseHeaderTimeout: stall, MaxResponseHeaderBytes: 64 << 10,
	}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == g.home || isProxy(address) {
			return open.DialContext(ctx, network, address)
		}
		return closed.DialContext(ctx, network, address)
	}
	return &http.Client{Transport: transport, CheckRedirect: g.redirect}
}

// control sees every address as it is connected to, after names were resolved.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(at.Addr()) {
		return errPrivate(address)
	}
	return nil
}

// redirect judges what a server answers before it is followed: behind a proxy nothing else does.
func (g guard) redirect(req *http.Request, via []*http.Request) error {
	switch u := req.URL; {
	case len(via) >= 5:
		return refuse("the server sends on and on")
	case u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return refuse("the server sends on to %.80q, which can't be followed", u.Redacted())
	case u.Scheme == "http" && via[0].URL.Scheme == "https":
		return refuse("the server sends on from https to http; that is refused")
	case hostPort(u) == g.home:
		return nil
	default:
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !isPublic(ip) || u.Hostname() == "localhost" {
			return errPrivate(u.Host)
		}
	}
	return nil
}

// hostPort is where a URL's server listens.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// isProxy reports whether an address is that of a proxy the host is configured with.
func isProxy(address string) bool {
	for _, scheme := range []string{"https", "http"} {
		u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: "proxied.invalid"}})
		if err == nil && u != nil && hostPort(u) == address {
			return true
		}
	}
	return false
}

// statusError explains an answer that is not the file.
func statusError(resp *http.Response) error {
	kind := inventory.ErrUnavailable
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		kind = inventory.ErrNotFound
	}
	return inventory.Errorf(kind, "the server answers %s to %s", fmt.Sprint(resp.StatusCode), resp.Request.URL.Path)
}
