package main

import (
	"errors"
	"io"
	"net/netip"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func sshCommands() []*cli.Command {
	return []*cli.Command{{Name: "ssh", Category: "Access", Usage: "log in to a container with your own ssh",
		ArgsUsage: "NAME [-- ARGS...]", Action: sshInto, BashComplete: completeContainers,
		Description: "It goes through the host's SSH door with a certificate of eight hours, or a key of yours that\n" +
			"'lodge key list' has: no sshd is needed inside. ARGS go to ssh: options, then a command. The exit code is ssh's own.",
		Subcommands: append([]*cli.Command{sshCertCommand(), sshAuthorityCommand()}, sshCertificateCommands()...),
		Flags:       []cli.Flag{&cli.StringFlag{Name: "user", Usage: "`USER` inside the container; your own name if not given"}}}}
}

// sshInto runs ssh with the door's host keys known beforehand, so that nobody has to type "yes".
func sshInto(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 || len(args) > 1 && args[1] != "--" {
		return usage("ssh needs the name of a container, and what is for ssh after --, like: lodge ssh web1 -- uptime")
	}
	host, err := read(c, func(api *client.Client) (wire.SSHAuthorities, error) { return api.SSHAuthorities(c.Context) })
	if err != nil {
		return notRun(c, err)
	}
	if host.Door == nil {
		return notRun(c, inventory.Errorf(inventory.ErrUnavailable,
			"%s lets nobody in by ssh; 'lodge config get ssh.listen' shows where it should listen", host.HostName))
	}
	known, err := knownHosts(host)
	if err != nil {
		return notRun(c, err)
	}
	defer os.Remove(known)
	argv, err := sshCommandLine(c, host, known, args)
	if err != nil {
		return notRun(c, err)
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
func sshCommandLine(c *cli.Context, h wire.SSHAuthorities, known string, args []string) ([]string, error) {
	// The agent may be another machine's: what it says has to be an address, and never an option to ssh.
	door, err := netip.ParseAddrPort(h.Door.Address)
	if err != nil || door.Addr().Zone() != "" {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "the host says that it listens on %q, which is no address", h.Door.Address)
	}
	proxy, err := proxyCommand(c)
	if err != nil {
		return nil, err
	}
	at := ref(c, args[0])
	user := at.Name
	if at.Project != "" && at.Project != inventory.DefaultProject {
		user += "." + at.Project
	}
	if login := c.String("user"); login != "" {
		user = login + "+" + user
	}
	argv := append(client.SSHProgram(), "-p", strconv.Itoa(int(door.Port())), "-l", user, "-o", "UserKnownHostsFile="+known, "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "HostKeyAlias="+hostAlias(h), "-o", "StrictHostKeyChecking=yes")
	if proxy != "" {
		argv = append(argv, "-o", "ProxyCommand="+proxy)
	}
	if key := certified(c, h); key != "" {
		argv = append(argv, "-i", key)
	}
	// ssh takes options behind the address too (ssh.c: after the host it looks for options again).
	argv = append(argv, door.Addr().String())
	if len(args) > 2 {
		argv = append(argv, args[2:]...)
	}
	return argv, nil
}

// proxyCommand leads to the door of another machine: that one's own loopback, as a rule.
func proxyCommand(c *cli.Context) (string, error) {
	p, err := readProfiles()
	if err != nil {
		return "", err
	}
	address, err := p.address(c.String("host"))
	if err != nil {
		return "", err
	}
	return client.ProxyCommand(address)
}

// hostAlias names a host's keys whatever address it has at the moment.
func hostAlias(h wire.SSHAuthorities) string { return "lodge-" + string(h.HostID) }

// knownHosts writes the door's keys to a file of this run's own.
func knownHosts(h wire.SSHAuthorities) (path string, err error) {
	f, err := os.CreateTemp("", "lodge-known-hosts-")
	if err != nil {
		return "", err
	}
	for _, key := range h.Door.HostKeys {
		if _, err := io.WriteString(f, hostAlias(h)+" "+key+"\n"); err != nil {
			return "", errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	return filepath.Clean(f.Name()), f.Close()
}
