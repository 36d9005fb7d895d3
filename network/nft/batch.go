package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// A batch is messages the kernel acts on all together or not at all (nfnetlink_rcv_batch of
// net/netfilter/nfnetlink.c).
type batch struct {
	raw  []byte
	last int // where the last message begins
	sets uint32
}

// Messages begin with a header of netlink (16 bytes) and one of nfnetlink (4 bytes).
const messageHeader = unix.SizeofNlMsghdr + 4

// add writes one message about inet tables.
func (b *batch) add(kind, flags int, fill func(*attributes)) {
	b.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, unix.NFPROTO_INET, 0, fill)
}

func (b *batch) message(kind, flags int, family byte, resource uint16, fill func(*attributes)) {
	b.last = len(b.raw)
	a := attributes(append(b.raw, make([]byte, messageHeader)...))
	fill(&a)
	b.raw = a
	head := b.raw[b.last:]
	binary.NativeEndian.PutUint32(head, uint32(len(head)))
	binary.NativeEndian.PutUint16(head[4:], uint16(kind))
	binary.NativeEndian.PutUint16(head[6:], uint16(unix.NLM_F_REQUEST|flags))
	head[16], head[17] = family, unix.NFNETLINK_V0
	binary.BigEndian.PutUint16(head[18:], resource)
}

// begin starts the batch. The kernel refuses it if the ruleset's generation is another than the one that
// is given; zero takes any.
func (b *batch) begin(generation uint32) {
	b.message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, func(a *attributes) {
		if generation != 0 {
			a.number(unix.NFNL_BATCH_GENID, generation)
		}
	})
}

// Following is the generation a transaction makes of one; zero is left out (nf_tables_commit).
func Following(generation uint32) uint32 { return max(1, generation+1) }

// isEmpty reports whether nothing follows the beginning.
func (b *batch) isEmpty() bool { return b.last == 0 }

// end closes the batch. The last message before asks for an answer, which comes when all is done.
func (b *batch) end() {
	flags := b.raw[b.last+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
	b.message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, func(*attributes) {})
}

// A Conn writes tables. It is kept open: as one closes, the kernel waits until what was replaced is gone
// (nft_rcv_nl_event), which takes longer than most changes. Not for use at the same time.
type Conn struct{ file *os.File }

// Dial opens one, in the network namespace of the caller.
func Dial() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"nftables can't be used (%v); the kernel has to have nf_tables", err)
	}
	for _, option := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, 1); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	return &Conn{os.NewFile(uintptr(fd), "nftables")}, nil
}

// Close gives the socket back.
func (c *Conn) Close() error { return c.file.Close() }

// Generation is the number of the ruleset: every transaction of anybody makes it the following one
// (NFT_MSG_GETGEN of nf_tables).
func (c *Conn) Generation() (uint32, error) {
	b := &batch{}
	b.message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0, unix.AF_UNSPEC, 0, func(*attributes) {})
	answer := make([]byte, 4096)
	fd := int(c.file.Fd())
	c.forget(answer)
	if err := unix.Sendto(fd, b.raw, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("read the generation of the rules: %w", err)
	}
	n, _, err := unix.Recvfrom(fd, answer, unix.MSG_DONTWAIT)
	if err != nil || n < messageHeader {
		return 0, fmt.Errorf("read the generation of the rules: %w", err)
	}
	all, err := nl.ParseRouteAttr(answer[messageHeader:n])
	for _, a := range all {
		if err == nil && a.Attr.Type == unix.NFTA_GEN_ID && len(a.Value) >= 4 {
			return binary.BigEndian.Uint32(a.Value), nil
		}
	}
	return 0, errors.New("the kernel does not tell the generation of the rules")
}

// forget reads what nobody read of an earlier answer.
func (c *Conn) forget(buf []byte) {
	for {
		if _, _, err := unix.Recvfrom(int(c.file.Fd()), buf, unix.MSG_DONTWAIT); err != nil && err != unix.ENOBUFS {
			return
		}
	}
}

// send does all of the batch or nothing.
func (c *Conn) send(b *batch) error {
	b.end()
	fd := int(c.file.Fd())
	// A transaction is one datagram. Only root of the machine may have a buffer beyond the host's limit.
	room := len(b.raw) + 4096
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, room) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, room)
	}
	buf := make([]byte, 64<<10)
	c.forget(buf)
	if err := unix.Sendto(fd, b.raw, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return unavailable(err, "")
	}
	// The kernel has done it and answered before sendto returned.
	for answered := false; ; {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN && answered:
			return nil
		case err != nil:
			return unavailable(err, "")
		}
		if answered = true; err == nil {
			err = failure(buf[:n])
		}
		if err != nil {
			return err
		}
	}
}

// errStale says that somebody else wrote rules since the generation a batch was made for.
var errStale = errors.New("the ruleset was changed meanwhile")

// failure reads answers; nil when all of them say that it is done.
func failure(raw []byte) error {
	for len(raw) >= unix.SizeofNlMsghdr+4 {
		length := int(binary.NativeEndian.Uint32(raw))
		if length < unix.SizeofNlMsghdr+4 || length > len(raw) {
			break
		}
		kind, flags := binary.NativeEndian.Uint16(raw[4:]), binary.NativeEndian.Uint16(raw[6:])
		code := int32(binary.NativeEndian.Uint32(raw[unix.SizeofNlMsghdr:]))
		switch errno := unix.Errno(-code); {
		case kind != unix.NLMSG_ERROR || code == 0:
		case errno == unix.ERESTART:
			return errStale
		default:
			return unavailable(errno, said(raw[:length], flags))
		}
		raw = raw[min(len(raw), (length+3)&^3):]
	}
	return nil
}

// said is the kernel's own sentence about an error (NLMSGERR_ATTR_MSG), "" without one.
func said(message []byte, flags uint16) string {
	const errorLength = 2*unix.SizeofNlMsghdr + 4 // its header, the code, the header of what failed
	if flags&unix.NLM_F_ACK_TLVS == 0 || flags&unix.NLM_F_CAPPED == 0 || len(message) < errorLength {
		return ""
	}
	all, err := nl.ParseRouteAttr(message[errorLength:])
	for _, a := range all {
		if err == nil && a.Attr.Type == unix.NLMSGERR_ATTR_MSG && len(a.Value) > 0 {
			return ": " + string(a.Value[:len(a.Value)-1])
		}
	}
	return ""
}

func unavailable(err error, text string) error {
	return inventory.Errorf(inventory.ErrUnavailable, "nftables refused the rules: %v%s", err, text)
}
