//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"lodge/manager/session/stream"
)

// forwarded are the signals a command without a terminal gets from us.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

func signalNumber(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return int(n)
	}
	return 0
}

// windowSizes tells of every new size of our terminal.
func windowSizes() (sizes <-chan stream.Size, stop func()) {
	changed, out := make(chan os.Signal, 1), make(chan stream.Size, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	go func() {
		for range changed {
			select {
			case out <- terminalSize():
			default: // one that is waiting is followed by another SIGWINCH or is right
			}
		}
	}()
	return out, func() { signal.Stop(changed); close(changed) }
}
