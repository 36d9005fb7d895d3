package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/web/client"
)

// TestStreamOutlivesTheAgent: a connection to a container goes on while the agent is killed, started and
// replaced, and no interface goes down meanwhile.
func TestStreamOutlivesTheAgent(t *testing.T) {
	l := newLab(t)
	l.do(l.create(tiny("lt-echo"), true))
	c := l.container("lt-echo")
	if out, code := l.exec("lt-echo", "sh", "-c", "nc -l -p 9000 -e /bin/cat </dev/null >/dev/null 2>&1 &"); code != 0 {
		t.Fatalf("nc: %s", out)
	}
	var conn net.Conn
	l.await("something listens in the container", func() bool {
		var err error
		conn, err = net.DialTimeout("tcp", net.JoinHostPort(c.NICs[0].IPv4, "9000"), time.Second)
		return err == nil
	})
	defer conn.Close()
	done := make(chan struct{})
	defer close(done)
	flaps := downs(t, done, l.network(inventory.DefaultNetwork).Bridge)

	stop, failed := make(chan struct{}), make(chan error, 1)
	var echoes int
	go func() { failed <- echo(conn, stop, &echoes) }()
	l.kill()
	l.start()
	l.stop()
	l.start()
	l.kill()
	l.start()
	close(stop)
	if err := <-failed; err != nil || echoes < 10 {
		t.Errorf("after %d echoes: %v", echoes, err)
	}
	if names := flaps(); len(names) > 0 {
		t.Errorf("went down meanwhile: %v", names)
	}
}

// echo sends a line every few milliseconds and wants it back, until stop.
func echo(conn net.Conn, stop <-chan struct{}, n *int) error {
	line, back := []byte("still here\n"), make([]byte, 11)
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
		conn.SetDeadline(time.Now().Add(3 * time.Second)) // a lost packet is sent again within one
		if _, err := conn.Write(line); err != nil {
			return err
		}
		for got := 0; got < len(back); {
			k, err := conn.Read(back[got:])
			if err != nil {
				return err
			}
			got += k
		}
		if !bytes.Equal(line, back) {
			return fmt.Errorf("sent %q, got %q", line, back)
		}
		*n++
	}
}

// downs notes which interfaces of a bridge, or it itself, go down or away.
func downs(t *testing.T, done <-chan struct{}, bridge string) func() []string {
	t.Helper()
	b, err := netlink.LinkByName(bridge)
	if err != nil {
		t.Fatal(err)
	}
	updates := make(chan netlink.LinkUpdate, 64)
	if err := netlink.LinkSubscribe(updates, done); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var names []string
	go func() {
		for u := range updates {
			a := u.Attrs()
			if a.Index != b.Attrs().Index && a.MasterIndex != b.Attrs().Index {
				continue
			}
			if u.Header.Type == unix.RTM_DELLINK || a.Flags&net.FlagUp == 0 {
				mu.Lock()
				names = append(names, a.Name)
				mu.Unlock()
			}
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return names
	}
}

// TestParallelCreates: 64 creates at once get 64 addresses, each of the plan's lowest.
func TestParallelCreates(t *testing.T) {
	l := newLab(t)
	const n = 64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := l.try(l.create(tiny("lt-p"+string(rune('a'+i/26))+string(rune('a'+i%26))), false)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	held, err := l.api.Addresses(context.Background(), client.AddressQuery{Network: inventory.DefaultNetwork})
	l.must(err)
	last, have := netip.MustParseAddr(l.within(inventory.DefaultNetwork, n+1)), map[string]bool{}
	for _, a := range held {
		if ip := netip.MustParseAddr(a.IP); ip.Is4() && !last.Less(ip) {
			have[a.IP] = true
		}
	}
	if len(have) != n {
		t.Errorf("%d containers have %d of the plan's lowest addresses", n, len(have))
	}
}
