package worker

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/manager/unprivileged"
)

// The descriptors a worker begins with, besides standard error for its last words.
const (
	fdClient  = 3 // the connection
	fdControl = 4 // to the gateway
	fdNext    = 5 // where the next agent connects
)

const (
	// memoryMost is what a client can make a worker use up: ten channels whose peer sends byte by byte
	// and never reads hold 103 MiB each in golang.org/x/crypto/ssh, so such a one dies of it, alone.
	memoryMost = 256 << 20
	// memoryAim is what the garbage collector works towards.
	memoryAim = 64 << 20
	filesMost = 512
)

// Main serves the connection on descriptor 3 until it ends and returns the exit code.
func Main(args []string) int {
	flags := flag.NewFlagSet("lodge-ssh", flag.ContinueOnError)
	uid := flags.Int("uid", unprivileged.Nobody, "user to run as")
	memory := flags.Uint64("memory", memoryMost, "bytes that may be used up")
	if flags.Parse(args) != nil {
		return 2
	}
	if err := run(*uid, *memory); err != nil {
		fmt.Fprintln(os.Stderr, "ssh worker:", err)
		return 1
	}
	return 0
}

// run opens what it was given and drops every right before it reads a byte from the network.
func run(uid int, memory uint64) error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE, syscall.SIGTERM)
	debug.SetMemoryLimit(memoryAim)
	client, err := take[net.Conn](fdClient)
	if err != nil {
		return err
	}
	conn, err := take[*net.UnixConn](fdControl)
	if err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(fdNext, "next"))
	if err != nil {
		return err
	}
	next, ok := listener.(*net.UnixListener)
	if !ok {
		return errors.New("descriptor 5 is no listener for the next agent")
	}
	unix.Close(fdNext)
	bounds := unprivileged.Bounds{UID: uid, GID: uid, Files: filesMost, DataBytes: memory}
	if _, err := unprivileged.Confine(bounds, unprivileged.Filter{}); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	var setup Setup
	if _, err := unprivileged.Receive(conn, &setup); err != nil {
		return fmt.Errorf("read the setup: %w", err)
	}
	s := &server{setup: setup, control: newControl(conn, next, func() { os.Exit(0) })}
	return s.serve(client)
}

// take makes a connection of an inherited descriptor.
func take[C net.Conn](fd uintptr) (c C, err error) {
	f := os.NewFile(fd, "inherited")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return c, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	c, ok := conn.(C)
	if !ok {
		return c, fmt.Errorf("descriptor %d is another kind of socket", fd)
	}
	return c, nil
}
