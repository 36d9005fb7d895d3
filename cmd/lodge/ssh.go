package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func sshCommands() []*cli.Command {
	return []*cli.Command{{Name: "ssh", Category: "Access", Usage: "log in to a container with your own ssh",
		ArgsUsage: "NAME [-- ARGS...]", Action: sshInto, BashComplete: completeContainers,
		Description: "It goes through the host's SSH door with a key of yours that 'lodge key list' has: no sshd is needed\n" +
			"inside. ARGS go to ssh: options, then a command. The exit code is ssh's own.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "user", Usage: "`USER` inside the container; your own name if not given"}}}}
}

// sshInto runs ssh with the door's host keys known beforehand, so that nobody has to type "yes".
func sshInto(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 || len(args) > 1 && args[1] != "--" {
		return usage("ssh needs the name of a container, and what is for ssh after --, like: lodge ssh web1 -- uptime")
	}
	host, err := read(c, func(api *client.Client) (wire.Host, error) { return api.Host(c.Context) })
	if err != nil {
		return notRun(c, err)
	}
	if host.SSH == nil {
		return notRun(c, inventory.Errorf(inventory.ErrUnavailable,
			"%s lets nobody in by ssh; 'lodge config get ssh.listen' shows where it should listen", host.Name))
	}
	known, err := knownHosts(host)
	if err != nil {
		return notRun(c, err)
	}
	defer os.Remove(known)
	argv, err := sshCommandLine(c, host, known, args)
	if err != nil {
		return err
	}
	cmd := osexec.CommandContext(c.Context, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, c.App.Writer, c.App.ErrWriter
	err = cmd.Run()
	var failed *osexec.ExitError
	if errors.As(err, &failed) {
		return codeError(failed.ExitCode())
	}
	if err != nil {
		return notRun(c, inventory.Errorf(inventory.ErrUnavailable, "ssh can't be run: %v", err))
	}
	return nil
}

// sshCommandLine is the caller's own ssh, on its way to the container.
func sshCommandLine(c *cli.Context, h wire.Host, known string, args []string) ([]string, error) {
	address, port, err := net.SplitHostPort(h.SSH.Address)
	if err != nil {
		return nil, fmt.Errorf("the host says it listens on %q: %w", h.SSH.Address, err)
	}
	at := ref(c, args[0])
	user := at.Name
	if at.Project != "" && at.Project != inventory.DefaultProject {
		user += "." + at.Project
	}
	if login := c.String("user"); login != "" {
		user = login + "+" + user
	}
	argv := append(sshProgram(), "-p", port, "-l", user, "-o", "UserKnownHostsFile="+known, "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "HostKeyAlias="+hostAlias(h), "-o", "StrictHostKeyChecking=yes")
	// ssh takes options behind the address too (ssh.c: after the host it looks for options again).
	argv = append(argv, address)
	if len(args) > 2 {
		argv = append(argv, args[2:]...)
	}
	return argv, nil
}

func sshProgram() []string {
	if own := strings.Fields(os.Getenv("LODGE_SSH")); len(own) > 0 {
		return own
	}
	return []string{"ssh"}
}

// hostAlias names a host's keys whatever address it has at the moment.
func hostAlias(h wire.Host) string { return "lodge-" + string(h.ID) }

// knownHosts writes the door's keys to a file of this run's own.
func knownHosts(h wire.Host) (path string, err error) {
	f, err := os.CreateTemp("", "lodge-known-hosts-")
	if err != nil {
		return "", err
	}
	for _, key := range h.SSH.HostKeys {
		if _, err := io.WriteString(f, hostAlias(h)+" "+key+"\n"); err != nil {
			return "", errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	return filepath.Clean(f.Name()), f.Close()
}
