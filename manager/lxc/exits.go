package lxc

import (
	"sync"
	"time"

	"lodge/inventory"
)

// What an init's death leads to.
const (
	TargetOpen   = "open" // init is dead, and its monitor has yet to tell which of the others it is
	TargetStop   = "stop"
	TargetReboot = "reboot" // the monitor lives on and starts a new init
	// TargetStart follows a reboot when the new init runs: with the limits of the last start, as
	// the monitor has read the configuration then. Apply brings it to the present ones.
	TargetStart = "start"
)

// An Exit tells that the init of a container died, or that the one after a reboot runs. A death that
// nobody asked for is told twice: at once with TargetOpen, and with what it leads to when that is
// known.
type Exit struct {
	ID     inventory.ContainerID
	Target string
	At     time.Time
	Reason string // for a reader: what was wrong with its end
	Asked  bool   // by Stop or Kill
	// Clean: there is proof that it powered the container off or ended with 0. Without any, as when
	// its monitor was killed with it, it has failed.
	Clean bool
	// Unrebooted: the container asked for a reboot, and liblxc could not start it again.
	Unrebooted bool
}

// An exitQueue passes exits on to one reader without ever making a writer wait.
type exitQueue struct {
	out  chan Exit
	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu      sync.Mutex
	waiting []Exit
}

func newExitQueue() *exitQueue {
	q := &exitQueue{out: make(chan Exit), wake: make(chan struct{}, 1), quit: make(chan struct{}),
		done: make(chan struct{})}
	go q.pass()
	return q
}

func (q *exitQueue) put(e Exit) {
	q.mu.Lock()
	q.waiting = append(q.waiting, e)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *exitQueue) take() (e Exit, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return Exit{}, false
	}
	e = q.waiting[0]
	q.waiting = q.waiting[1:]
	return e, true
}

func (q *exitQueue) pass() {
	defer close(q.done)
	defer close(q.out)
	for {
		if e, ok := q.take(); ok {
			select {
			case q.out <- e:
				continue
			case <-q.quit:
				return
			}
		}
		select {
		case <-q.wake:
		case <-q.quit:
			return
		}
	}
}

func (q *exitQueue) close() {
	close(q.quit)
	<-q.done
}
