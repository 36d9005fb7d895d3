package main

import "lodge/network"

// netMain is the net role: the name server of the bridges, an unprivileged process that outlives
// the agent.
func netMain(args []string) int { return network.RunRole(args) }
