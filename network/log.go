package network

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// dropsKept is how many dropped connections are remembered. They are a help to find what is wrong, no
// evidence: they are lost with the agent.
const dropsKept = 1000

// A Drop is the first packet of a connection that was not let through, or was by a rule that is logged, as the
// kernel told of it. Floods are told of in part only.
type Drop struct {
	At       time.Time
	Allowed  bool
	Rule     string // the id of the rule; "default" between containers, "host" for what is asked of the host
	From, To netip.Addr
	Protocol inventory.Protocol // "" for another
	Port     uint16
}

// drops is what was dropped lately.
type drops struct {
	mu   sync.Mutex
	last []Drop
}

func (d *drops) add(one Drop) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = append(d.last, one)
	if len(d.last) > dropsKept {
		d.last = slices.Delete(d.last, 0, len(d.last)-dropsKept)
	}
}

// Drops returns what was dropped lately, the oldest first.
func (s *Service) Drops() []Drop {
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	return slices.Clone(s.drops.last)
}

// nfulnl is the subsystem of nfnetlink_log (linux/netfilter/nfnetlink_log.h), with what is used of it.
const (
	nfulnlConfig      = unix.NFNL_SUBSYS_ULOG<<8 | 1 // NFULNL_MSG_CONFIG
	nfulnlPacket      = unix.NFNL_SUBSYS_ULOG << 8   // NFULNL_MSG_PACKET
	nfulaCfgCmd       = 1
	nfulaCfgMode      = 2
	nfulnlCfgCmdBind  = 1
	nfulnlCopyPacket  = 2
	nfulaPayload      = 9
	nfulaPrefix       = 10
	headersCopied     = 128
	nfgenHeaderLength = 4
)

// FollowDrops reads what the rules' log tells, until ctx ends.
func (s *Service) FollowDrops(ctx context.Context) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("listen to the log of the rules: %w", err)
	}
	defer unix.Close(fd)
	// A wait has an end, so that the end of ctx is noticed.
	wait := unix.Timeval{Sec: 1}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return err
	}
	group := s.logGroup()
	mode := append(binary.BigEndian.AppendUint32(nil, headersCopied), nfulnlCopyPacket, 0)
	for _, message := range [][]byte{nflogConfig(group, nfulaCfgCmd, []byte{nfulnlCfgCmdBind}), nflogConfig(group, nfulaCfgMode, mode)} {
		if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return fmt.Errorf("listen to the log of the rules: %w", err)
		}
	}
	for buf := make([]byte, 64<<10); ctx.Err() == nil; {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR || err == unix.ENOBUFS: // some were lost, as many are
			continue
		case err != nil:
			return fmt.Errorf("read the log of the rules: %w", err)
		}
		if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
			continue
		}
		for _, d := range parseDrops(buf[:n]) {
			d.At = s.cfg.Now().UTC()
			s.drops.add(d)
		}
	}
	return nil
}

// nflogConfig writes one message with one attribute, to the kernel.
func nflogConfig(group, kind uint16, value []byte) []byte {
	attribute := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	attribute = append(binary.NativeEndian.AppendUint16(attribute, kind), value...)
	for len(attribute)%4 != 0 {
		attribute = append(attribute, 0)
	}
	out := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+nfgenHeaderLength+len(attribute)))
	out = binary.NativeEndian.AppendUint16(out, nfulnlConfig)
	out = binary.NativeEndian.AppendUint16(out, unix.NLM_F_REQUEST)
	out = append(out, 0, 0, 0, 0, 0, 0, 0, 0) // sequence and sender
	out = append(out, unix.AF_UNSPEC, 0)
	out = binary.BigEndian.AppendUint16(out, group)
	return append(out, attribute...)
}

// parseDrops reads the packets in what the kernel sent. What they hold was written by containers: what
// can't be read is left out.
func parseDrops(raw []byte) (out []Drop) {
	for len(raw) >= unix.SizeofNlMsghdr {
		length := int(binary.NativeEndian.Uint32(raw))
		if length < unix.SizeofNlMsghdr || length > len(raw) {
			return out
		}
		if binary.NativeEndian.Uint16(raw[4:]) == nfulnlPacket && length >= unix.SizeofNlMsghdr+nfgenHeaderLength {
			attributes := raw[unix.SizeofNlMsghdr+nfgenHeaderLength : length]
			rule := attribute(attributes, nfulaPrefix)
			if d, ok := parseDrop(attribute(attributes, nfulaPayload)); ok && len(rule) > 0 {
				verdict, id, _ := strings.Cut(string(rule[:len(rule)-1]), "/") // without the zero byte
				d.Allowed, d.Rule = verdict == string(inventory.FirewallAllow), id
				out = append(out, d)
			}
		}
		raw = raw[min(len(raw), (length+3)&^3):]
	}
	return out
}

// parseDrop reads the headers of an IP packet.
func parseDrop(p []byte) (d Drop, ok bool) {
	var kind byte
	var rest []byte
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		d.From, d.To = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
		kind, rest = p[9], p[min(len(p), int(p[0]&15)*4):]
	case len(p) >= 40 && p[0]>>4 == 6:
		d.From, d.To = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
		kind, rest = p[6], p[40:]
	default:
		return d, false
	}
	d.Protocol = map[byte]inventory.Protocol{unix.IPPROTO_TCP: inventory.TCP, unix.IPPROTO_UDP: inventory.UDP,
		unix.IPPROTO_ICMP: inventory.ICMP, unix.IPPROTO_ICMPV6: inventory.ICMP}[kind]
	if (d.Protocol == inventory.TCP || d.Protocol == inventory.UDP) && len(rest) >= 4 {
		d.Port = binary.BigEndian.Uint16(rest[2:])
	}
	return d, true
}
