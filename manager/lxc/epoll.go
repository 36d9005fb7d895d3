package lxc

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A watcher calls a function once when a descriptor becomes readable. One goroutine serves any
// number of them, so that a thousand containers cost one thread.
type watcher struct {
	epoll int
	wake  int // eventfd that ends the loop
	done  chan struct{}

	mu     sync.Mutex
	watch  map[int32]func()
	closed bool
}

func newWatcher() (*watcher, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, err
	}
	w := &watcher{epoll: epoll, wake: wake, done: make(chan struct{}), watch: map[int32]func(){}}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &event); err != nil {
		unix.Close(wake)
		unix.Close(epoll)
		return nil, err
	}
	go w.loop()
	return w, nil
}

// add takes over the descriptor: fn is called once, when it is readable, after the descriptor was
// closed. fn runs on the watcher's goroutine and has to return soon.
func (w *watcher) add(fd int, fn func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		unix.Close(fd)
		return unix.EBADF
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		unix.Close(fd)
		return err
	}
	w.watch[int32(fd)] = fn
	return nil
}

func (w *watcher) loop() {
	defer close(w.done)
	events := make([]unix.EpollEvent, 32)
	for {
		n, err := unix.EpollWait(w.epoll, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			if int(e.Fd) == w.wake {
				return
			}
			if fn := w.take(e.Fd); fn != nil {
				fn()
			}
		}
	}
}

func (w *watcher) take(fd int32) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn := w.watch[fd]
	if fn == nil {
		return nil
	}
	delete(w.watch, fd)
	// Closing alone would not take it out of the set while a child of ours that has not come to its
	// exec yet has a copy (epoll(7), Q6), and the next descriptor of that number would be called.
	unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, int(fd), nil)
	unix.Close(int(fd))
	return fn
}

// close ends the loop and closes every descriptor that is still watched, without calling anyone.
func (w *watcher) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-w.done
	for fd := range w.watch {
		unix.Close(int(fd))
	}
	unix.Close(w.wake)
	unix.Close(w.epoll)
}
