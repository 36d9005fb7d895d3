package unpack_test

import (
	"os"
	"syscall"
	"testing"

	"lodge/manager/image/unpack"
)

// TestMain lets the test binary be the agent's: Run executes it again as the scan role.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "scan" && os.Args[2] == "unpack" {
		syscall.Exit(unpack.Main(os.Args[3:])) // not os.Exit: the race detector would wait a second
	}
	os.Exit(m.Run())
}
