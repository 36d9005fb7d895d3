package liblxc

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"lodge/inventory"
)

// lookupTime bounds one question to the name server.
const lookupTime = 5 * time.Second

// lookup finds the addresses of a host as the container would: by the network's name server, and by
// nothing else. Package net would read the host's hosts(5) and search domains first. What a listener
// may be bound to is what OpenSSH takes (sshd_config(5), GatewayPorts no): loopback.
func lookup(host, server string, listen bool) ([]netip.Addr, error) {
	loopback := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	if listen || host == "localhost" || host == "" {
		return loopback, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	names := []string{host}
	if !strings.Contains(host, ".") {
		names = []string{host + "." + inventory.Domain, host}
	}
	for _, name := range names {
		found, err := ask(name, server)
		if err != nil {
			return nil, inventory.Errorf(inventory.ErrUnavailable, "%s can't be looked up: %v", host, err)
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, inventory.Errorf(inventory.ErrUnavailable, "%s has no address", host)
}

// ask asks the server for a name's IPv4 addresses and then for the others.
func ask(name, server string) (found []netip.Addr, err error) {
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("udp", net.JoinHostPort(server, "53"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for i, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		q := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(i + 1), RecursionDesired: true},
			Questions: []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}}}
		answer, err := exchange(conn, q)
		if err != nil {
			return nil, err
		}
		found = append(found, addressesIn(answer)...)
	}
	return found, nil
}

// exchange sends a question and waits for its answer. The server is the agent's own, one hop away;
// what comes from elsewhere does not reach a connected socket.
func exchange(conn net.Conn, q dnsmessage.Message) (answer dnsmessage.Message, err error) {
	raw, err := q.Pack()
	if err != nil {
		return answer, err
	}
	conn.SetDeadline(time.Now().Add(lookupTime))
	if _, err := conn.Write(raw); err != nil {
		return answer, err
	}
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return answer, err
		}
		if answer.Unpack(buf[:n]) != nil || !answer.Response || answer.ID != q.ID {
			continue
		}
		if answer.RCode != dnsmessage.RCodeSuccess && answer.RCode != dnsmessage.RCodeNameError {
			return answer, errors.New("the name server says " + strings.TrimPrefix(answer.RCode.String(), "RCode"))
		}
		return answer, nil
	}
}

func addressesIn(m dnsmessage.Message) (found []netip.Addr) {
	for _, r := range m.Answers {
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			found = append(found, netip.AddrFrom4(b.A))
		case *dnsmessage.AAAAResource:
			found = append(found, netip.AddrFrom16(b.AAAA))
		}
	}
	return found
}
