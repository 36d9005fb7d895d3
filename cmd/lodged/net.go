package main

import (
	"os"

	"lodge/network"
)

// netMain is the net role: the name server of the bridges, an unprivileged process that outlives
// the agent.
func netMain(args []string) int {
	// The name pkill and top show: what ends the agent by its name must not end the names.
	os.WriteFile("/proc/self/comm", []byte("lodge-net"), 0) // a prettier name is all that is lost
	return network.RunRole(args)
}
