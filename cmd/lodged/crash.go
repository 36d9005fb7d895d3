//go:build crashtest

package main

import (
	"os"
	"syscall"
)

// boundary kills the process at the step boundary that LODGE_CRASH names ("VERB/STEP/EDGE"), as
// hard as a power failure. It exists only in the binary the crash tests build.
func boundary(verb, step, edge string) {
	if os.Getenv("LODGE_CRASH") == verb+"/"+step+"/"+edge {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
