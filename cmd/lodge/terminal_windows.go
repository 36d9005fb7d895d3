package main

import (
	"os"

	"lodge/manager/session/stream"
)

// forwarded are the signals a command without a terminal gets from us.
var forwarded = []os.Signal{os.Interrupt}

// signalNumber is Linux's SIGINT: that is where the command runs.
func signalNumber(os.Signal) int { return 2 }

// windowSizes: Windows has no signal for a new size; the first one stays.
func windowSizes() (sizes <-chan stream.Size, stop func()) { return nil, func() {} }
