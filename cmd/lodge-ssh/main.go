// Command lodge-ssh speaks SSH on one connection. The agent runs one for each, and it has no right on
// the host (package worker). It is a program of its own, and links nothing but what that takes, because
// what a connection costs is above all what its process takes to begin.
//
// People have no reason to call it; its descriptors and messages belong to the agent of the same version.
//
// How many CPUs a connection gets is the gateway's to say, not to be read from control groups at each start.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"os"

	"lodge/sshgate/worker"
)

func main() { os.Exit(worker.Main(os.Args[1:])) }
