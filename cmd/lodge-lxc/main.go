// Command lodge-lxc is the only program that links liblxc. The agent runs it, one process per
// operation, and never calls liblxc itself: the monitor of a container is a fork of whoever starts
// it and keeps that process's name and memory for the container's life.
//
// People have no reason to call it; its arguments and output belong to the agent of the same
// version.
//
// None of it needs to know how many CPUs there are, which Go would read from control groups at each start.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"lodge/manager/lxc/liblxc"
)

// commands are the subcommands by name. Each gets the arguments after its name and returns the
// exit code.
var commands = map[string]func(args []string) int{
	"account": liblxc.Account,
	"bind":    liblxc.Bind,
	"device":  liblxc.Device,
	"file":    liblxc.File,
	"hook":    liblxc.Hook,
	"proxy":   liblxc.Proxy,
	"session": liblxc.Session,
	"socket":  liblxc.Socket,
	"start":   liblxc.Start,
	"unix":    liblxc.Unix,
	"version": liblxc.Version,
}

// exitUsage is what a wrong command line gives, as everywhere in Lodge.
const exitUsage = 2

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	run, ok := commands[os.Args[1]]
	if !ok {
		usage()
	}
	os.Exit(run(os.Args[2:]))
}

func usage() {
	names := slices.Sorted(maps.Keys(commands))
	fmt.Fprintf(os.Stderr, "usage: lodge-lxc COMMAND ...\ncommands: %s\n", strings.Join(names, ", "))
	os.Exit(exitUsage)
}
