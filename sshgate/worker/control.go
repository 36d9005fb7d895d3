package worker

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/unprivileged"
)

// control is the way to the gateway. When the agent dies, questions under way fail, and new ones wait
// for the next agent.
type control struct {
	next *net.UnixListener // where the next agent comes
	end  func()            // the gateway has ended the connection

	mu      sync.Mutex // guards what follows, and is held while a message is written
	conn    *net.UnixConn
	waiting map[uint64]chan answer
	last    uint64
	ready   chan struct{} // closed while conn is of use
}

type answer struct {
	Answer
	files []*os.File
	err   error
}

// agentPatience is how long a question waits for an agent that is being replaced.
const agentPatience = 10 * time.Second

var errAgentGone = inventory.Errorf(inventory.ErrUnavailable, "the agent has just restarted; try again")

func newControl(conn *net.UnixConn, next *net.UnixListener, end func()) *control {
	c := &control{next: next, end: end, conn: conn, waiting: map[uint64]chan answer{}, ready: make(chan struct{})}
	close(c.ready)
	go c.run()
	return c
}

// run reads answers, from one agent after the other.
func (c *control) run() {
	for {
		c.read(c.conn)
		c.lose()
		conn, err := c.next.AcceptUnix()
		if err != nil {
			return
		}
		c.mu.Lock()
		c.conn = conn
		close(c.ready)
		c.mu.Unlock()
	}
}

func (c *control) read(conn *net.UnixConn) {
	for {
		var a answer
		var err error
		if a.files, err = unprivileged.Receive(conn, &a.Answer); err != nil {
			conn.Close()
			return
		}
		if a.ID == 0 && a.Kind == KindEnd {
			c.end()
			return
		}
		c.mu.Lock()
		waiting, ok := c.waiting[a.ID]
		delete(c.waiting, a.ID)
		c.mu.Unlock()
		if !ok {
			unprivileged.CloseAll(a.files)
			continue
		}
		waiting <- a
	}
}

func (c *control) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = make(chan struct{})
	for id, waiting := range c.waiting {
		waiting <- answer{err: errAgentGone}
		delete(c.waiting, id)
	}
}

// ask returns the gateway's answer; an error of the gateway's has its kind.
func (c *control) ask(r Request) (answer, error) {
	waiting := make(chan answer, 1)
	for {
		c.mu.Lock()
		ready := c.ready
		select {
		case <-ready:
		default:
			c.mu.Unlock()
			select {
			case <-ready:
			case <-time.After(agentPatience):
				return answer{}, errAgentGone
			}
			continue
		}
		c.last++
		r.ID = c.last
		c.waiting[r.ID] = waiting
		err := unprivileged.Send(c.conn, r, nil)
		c.mu.Unlock()
		if err != nil {
			return answer{}, errAgentGone
		}
		break
	}
	a := <-waiting
	if a.err == nil && a.Error != "" {
		a.err = errors.New(a.Error)
		if kind, ok := inventory.KindNamed(a.Kind); ok {
			a.err = inventory.Errorf(kind.Err, "%s", a.Error)
		}
	}
	return a, a.err
}

// askFile is ask for what comes with one file.
func (c *control) askFile(r Request) (*os.File, answer, error) {
	a, err := c.ask(r)
	if err != nil {
		unprivileged.CloseAll(a.files)
		return nil, a, err
	}
	if len(a.files) != 1 {
		unprivileged.CloseAll(a.files)
		return nil, a, errors.New("the gateway sent no descriptor")
	}
	return a.files[0], a, nil
}
