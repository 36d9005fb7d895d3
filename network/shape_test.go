package network_test

import (
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/network"
)

// A burst of 8 MiB in one direction: what the kernel counts on the other end is near all of it
// without a limit, and little more than a bucket full with one of 64 KiB a second.
func TestRates(t *testing.T) {
	requireRoot(t, "nft")
	s := network.New(network.Config{Root: t.TempDir()})
	host, inner := vethPair(t)
	for _, test := range []struct {
		name    string
		rates   network.Rates
		in, out bool // whether most of what is sent arrives
	}{
		{"no limit", network.Rates{}, true, true},
		{"in", network.Rates{In: 64 * inventory.KiB}, false, true},
		{"out", network.Rates{Out: 64 * inventory.KiB}, true, false},
		{"both", network.Rates{In: 64 * inventory.KiB, Out: 64 * inventory.KiB}, false, false},
		{"wide", network.Rates{In: inventory.GiB, Out: inventory.GiB}, true, true},
		{"taken away", network.Rates{}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 {
				if err := s.Shape(t.Context(), host, test.rates); err != nil {
					t.Fatal(err)
				}
			}
			if got := flood(t, host, inner); got > frames/2 != test.in {
				t.Errorf("%d of %d frames got in", got, frames)
			}
			if got := flood(t, inner, host); got > frames/2 != test.out {
				t.Errorf("%d of %d frames got out", got, frames)
			}
		})
	}
	if err := s.Shape(t.Context(), "lznothere", network.Rates{In: inventory.MiB, Out: inventory.MiB}); err != nil {
		t.Errorf("an interface that is not there: %v", err)
	}
}

const (
	frames    = 6000
	frameSize = 1400
	// etherType is one for experiments (IEEE 802): nothing on the host answers such frames.
	etherType = 0x88b5
)

// vethPair makes the host's end and the container's end of an interface.
func vethPair(t *testing.T) (host, inner string) {
	t.Helper()
	host, inner = "lzhost", "lzinner"
	command(t, "ip", "link", "add", host, "type", "veth", "peer", "name", inner)
	t.Cleanup(func() { try("ip", "link", "delete", host) })
	command(t, "ip", "link", "set", host, "up")
	command(t, "ip", "link", "set", inner, "up")
	return host, inner
}

// flood sends frames on one interface and returns how many the other one let through. A socket for one
// protocol is handed what has passed the ingress hook (__netif_receive_skb_core in net/core/dev.c).
func flood(t *testing.T, from, to string) int {
	t.Helper()
	in, out := packetSocket(t, to), packetSocket(t, from)
	frame := make([]byte, frameSize)
	copy(frame, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, etherType >> 8, etherType & 0xff})
	for range frames { // what a full queue does not take is held back as well
		if err := unix.Send(out, frame, unix.MSG_DONTWAIT); err != nil && err != unix.ENOBUFS && err != unix.EAGAIN {
			t.Fatal(err)
		}
	}
	stats, err := unix.GetsockoptTpacketStats(in, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		t.Fatal(err)
	}
	return int(stats.Packets)
}

func packetSocket(t *testing.T, iface string) int {
	t.Helper()
	link, err := netlink.LinkByName(iface)
	if err != nil {
		t.Fatal(err)
	}
	const protocol = etherType&0xff<<8 | etherType>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: link.Attrs().Index}); err != nil {
		t.Fatal(err)
	}
	return fd
}
