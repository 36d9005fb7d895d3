package lxc

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A descriptor that was served is out of the set although a copy of it lives on, as it does in a
// child of ours between fork and exec. Else its number, given to the next, would tell of the death
// of an init that lives.
func TestWatcherForgetsWhatItServed(t *testing.T) {
	w, err := newWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	event := func() int {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	first := event()
	child, err := unix.Dup(first)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	served := make(chan struct{})
	if err := w.add(first, func() { close(served) }); err != nil {
		t.Fatal(err)
	}
	unix.Write(child, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-served
	next := event()
	if next != first { // somebody else took the number: take it back
		if err := unix.Dup3(next, first, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(next)
		next = first
	}
	spurious := make(chan struct{})
	if err := w.add(next, func() { close(spurious) }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-spurious:
		t.Error("it was called for what another descriptor of that number had")
	case <-time.After(100 * time.Millisecond):
	}
}
