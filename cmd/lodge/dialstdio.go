package main

import (
	"io"
	"net"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
)

func dialCommands() []*cli.Command {
	return []*cli.Command{{Name: "dial-stdio", Category: "Host", Hidden: true,
		Usage:       "join standard input and output with the agent's socket",
		Description: "What --host ssh://user@host runs on the other side.",
		Action:      dialStdio}}
}

// dialStdio carries bytes both ways until both sides have ended, the agent's answer after our input
// has ended included.
func dialStdio(c *cli.Context) error {
	path := strings.TrimPrefix(c.String("host"), "unix:")
	if path == "" {
		path = client.DefaultSocket
	}
	if !strings.HasPrefix(path, "/") {
		return usage("dial-stdio joins with a socket of this machine, and %q is none", c.String("host"))
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "no agent answers at %s: %v", path, err)
	}
	defer conn.Close()
	go func() {
		io.Copy(conn, os.Stdin)
		conn.(*net.UnixConn).CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}
