package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Forward gives ports of the host to a container: who connects to them reaches it.
type Forward struct {
	ID        string // of what it listens on
	Protocol  Protocol
	Address   netip.Addr // of the host; zero for all of them
	Ports     PortRange
	Container ContainerID
	ToPort    uint16 // of the first; the others follow
	Reason    string

	CreatedAt time.Time
}

// Listen writes what it listens on: tcp/:8443, udp/192.0.2.1:53, tcp/[2001:db8::1]:8000-8010.
func (f Forward) Listen() string {
	at := ""
	switch {
	case f.Address.Is6():
		at = "[" + f.Address.String() + "]"
	case f.Address.IsValid():
		at = f.Address.String()
	}
	return string(f.Protocol) + "/" + at + ":" + f.Ports.String()
}

// Identify gives the forward the id of what it listens on.
func (f *Forward) Identify() {
	sum := sha256.Sum256([]byte(f.Listen()))
	f.ID = "fwd-" + hex.EncodeToString(sum[:4])
}

// Overlaps reports whether both want a port of one address.
func (f Forward) Overlaps(g Forward) bool {
	return f.Protocol == g.Protocol && f.Ports.First <= g.Ports.Last && g.Ports.First <= f.Ports.Last &&
		(!f.Address.IsValid() || !g.Address.IsValid() || f.Address == g.Address)
}

// LastToPort is where the last port goes.
func (f Forward) LastToPort() uint16 { return f.ToPort + (f.Ports.Last - f.Ports.First) }

// ParseListen reads :8443, 192.0.2.1:53, [2001:db8::1]:8000-8010, with tcp/ or udp/ before it; tcp is
// meant without.
func ParseListen(text string) (f Forward, err error) {
	protocol, rest, ok := strings.Cut(text, "/")
	if !ok {
		protocol, rest = string(TCP), text
	}
	f.Protocol = Protocol(protocol)
	i := strings.LastIndexByte(rest, ':')
	if i < 0 || f.Protocol != TCP && f.Protocol != UDP {
		return f, Errorf(ErrInvalid, "%q is nothing to listen on; write :8443, 192.0.2.1:443 or udp/[2001:db8::1]:53", text)
	}
	if at := strings.TrimSuffix(strings.TrimPrefix(rest[:i], "["), "]"); at != "" {
		if f.Address, err = netip.ParseAddr(at); err != nil || f.Address.Zone() != "" {
			return f, Errorf(ErrInvalid, "%q is no address of this host", at)
		}
		f.Address = f.Address.Unmap()
	}
	if f.Ports, err = ParsePortRange(rest[i+1:]); err != nil {
		return f, err
	}
	f.Identify()
	return f, nil
}

// ParseTarget reads NAME:443 or PROJECT/NAME:8000-8010. The range has to be as long as what is listened
// on.
func (f *Forward) ParseTarget(text string) (container string, err error) {
	container, ports, ok := strings.Cut(text, ":")
	if !ok || container == "" {
		return "", Errorf(ErrInvalid, "%q is no port of a container; write it like web1:443", text)
	}
	r, err := ParsePortRange(ports)
	if err != nil {
		return "", err
	}
	if r.Last-r.First != f.Ports.Last-f.Ports.First {
		return "", Errorf(ErrInvalid, "%s has %d ports and %s has %d; they have to be as many", f.Listen(),
			f.Ports.Last-f.Ports.First+1, text, r.Last-r.First+1)
	}
	f.ToPort = r.First
	return container, nil
}

// Target writes where it goes, by the container's name.
func (f Forward) Target(name string) string {
	if f.Ports.First == f.Ports.Last {
		return name + ":" + strconv.Itoa(int(f.ToPort))
	}
	return name + ":" + PortRange{f.ToPort, f.LastToPort()}.String()
}

// ForwardArgs are the parameters of forward.add.
type ForwardArgs struct {
	Listen string `json:"listen" doc:"A port of the host." example:":8443"`
	Target string `json:"target" doc:"A port of a container." example:"web1:443"`
}

// IDArgs name something by its id.
type IDArgs struct {
	ID string `json:"id"`
}
