package liblxc

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	// Of packets nobody says when a conversation is over: one ends after flowIdle, and there are at most
	// flowsMost at a time.
	flowIdle  = time.Minute
	flowsMost = 1024
	// streamsMost bounds the connections of one proxy; more wait in the socket's queue.
	streamsMost = 1024
)

// passStreams passes connections on until the socket fails.
func passStreams(socket *os.File, d *dialer) int {
	l, err := net.FileListener(socket)
	if err != nil {
		return 1
	}
	slots := make(chan struct{}, streamsMost)
	for {
		slots <- struct{}{}
		c, err := l.Accept()
		if err != nil {
			time.Sleep(100 * time.Millisecond) // out of descriptors: some come back
			<-slots
			continue
		}
		go func() {
			defer func() { <-slots }()
			passStream(c, d)
		}()
	}
}

func passStream(c net.Conn, d *dialer) {
	defer c.Close()
	other, err := d.dial()
	if err != nil {
		return
	}
	defer other.Close()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{c, other}, {other, c}} {
		both.Go(func() {
			io.Copy(pair[0], pair[1])
			if t, ok := pair[0].(*net.TCPConn); ok {
				t.CloseWrite()
			}
		})
	}
	both.Wait()
}

// passPackets passes packets on, with a socket of its own for each sender, so that answers find back.
func passPackets(socket *os.File, d *dialer) int {
	p, err := net.FilePacketConn(socket)
	if err != nil {
		return 1
	}
	listener := p.(*net.UDPConn)
	var mu sync.Mutex
	flows := map[netip.AddrPort]net.Conn{}
	buffer := make([]byte, 65535)
	for {
		n, from, err := listener.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return 1
		}
		mu.Lock()
		flow, full := flows[from], len(flows) >= flowsMost
		mu.Unlock()
		if flow == nil {
			if full {
				continue
			}
			if flow, err = d.dial(); err != nil {
				continue
			}
			mu.Lock()
			flows[from] = flow
			mu.Unlock()
			go func() {
				answerPackets(listener, from, flow)
				mu.Lock()
				delete(flows, from)
				mu.Unlock()
				flow.Close()
			}()
		}
		flow.SetReadDeadline(time.Now().Add(flowIdle))
		flow.Write(buffer[:n])
	}
}

func answerPackets(to *net.UDPConn, sender netip.AddrPort, flow net.Conn) {
	buffer := make([]byte, 65535)
	for {
		n, err := flow.Read(buffer)
		if err != nil {
			return
		}
		flow.SetReadDeadline(time.Now().Add(flowIdle))
		to.WriteToUDPAddrPort(buffer[:n], sender)
	}
}
