package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func sshConfigCommands() []*cli.Command {
	return []*cli.Command{{Name: "ssh-config", Category: "Evidence", Usage: "the containers, for ssh_config",
		Description: "It leads through the host's SSH gateway, by ProxyJump: no sshd is needed inside, and what is done is judged and\n" +
			"recorded. --install writes ~/.ssh/lodge/HOST.config and the known_hosts that trust the gateway's authority, and\n" +
			"includes them in ~/.ssh/config; run it again when there are new containers. --direct leads to the containers'\n" +
			"own sshd instead, where an image has one.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "filter", Usage: "only those that match `EXPRESSION`"},
			&cli.StringFlag{Name: "user", Usage: "`USER` inside the container; yourself, or with --direct root, if not given"},
			&cli.BoolFlag{Name: "direct", Usage: "to the containers' own sshd"},
			&cli.BoolFlag{Name: "install", Usage: "write it to ~/.ssh"}, allProjects()},
		Action: sshConfig}}
}

// sshConfig writes a Host for each container, by the names that DNS has too.
func sshConfig(c *cli.Context) error {
	user := c.String("user")
	if strings.ContainsAny(user, " \t\"\\") || inventory.CheckLine("the user", user) != nil {
		return usage("%q is no user", user)
	}
	all, err := inventoried(c)
	if err != nil {
		return err
	}
	if c.Bool("direct") {
		writeDirect(c, all, user)
		return nil
	}
	host, err := read(c, func(api *client.Client) (wire.SSHAuthorities, error) { return api.SSHAuthorities(c.Context) })
	if err != nil {
		return err
	}
	if host.Door == nil && !c.Bool("install") {
		writeDirect(c, all, user)
		return nil
	}
	if host.Door == nil {
		return inventory.Errorf(inventory.ErrUnavailable, "%s lets nobody in by ssh; 'lodge config get ssh.listen' shows where it should listen", host.HostName)
	}
	return sshThroughGateway(c, host, all, user)
}

// shortName is how a container is asked for, before the domain.
func shortName(w wire.Container) string {
	if w.Project == inventory.DefaultProject {
		return w.Name
	}
	return w.Name + "." + w.Project
}

// writeDirect leads to the containers' own sshd. Host keys belong to the container: they are kept by its
// id, so a name that is used again is no surprise.
func writeDirect(c *cli.Context, all []wire.Container, user string) {
	if user == "" {
		user = "root"
	}
	for _, w := range all {
		if at := addresses(w); len(at) > 0 {
			fmt.Fprintf(c.App.Writer, "Host %s %s.lodge.internal\n  HostName %s\n  HostKeyAlias lodge-%s\n  User %s\n\n",
				shortName(w), shortName(w), at[0], w.ID, user)
		}
	}
}

// sshThroughGateway writes a Host for the gateway, and one for each container that jumps over it.
func sshThroughGateway(c *cli.Context, h wire.SSHAuthorities, all []wire.Container, user string) error {
	alias := hostAlias(h)
	// The agent may be another machine's: nothing of what it says may be more than one word of a line.
	door, err := netip.ParseAddrPort(h.Door.Address)
	authority, keyErr := inventory.ParseSSHKey(h.Hosts)
	if err != nil || keyErr != nil || door.Addr().Zone() != "" || !inventory.IsID(string(h.HostID)) {
		return inventory.Errorf(inventory.ErrUnavailable, "the host's answer about its SSH gateway makes no sense; is it an agent?")
	}
	proxy, err := proxyCommand(c)
	if err != nil {
		return err
	}
	home, err := os.UserHomeDir() // not ~, which ssh takes from the password file
	if err != nil {
		return err
	}
	known := filepath.Join(home, ".ssh", "lodge", alias+".known_hosts")
	trusted := fmt.Sprintf("@cert-authority %s,*.%s %s\n", alias, inventory.Domain, authority.Line)
	var text bytes.Buffer
	fmt.Fprintf(&text, "# by 'lodge ssh-config'; %s has to hold:\n# %s", known, trusted)
	fmt.Fprintf(&text, "Host %s\n  HostName %s\n  Port %d\n  User lodge\n  HostKeyAlias %s\n  UserKnownHostsFile \"%s\"\n", alias, door.Addr(), door.Port(), alias, known)
	if proxy != "" {
		fmt.Fprintf(&text, "  ProxyCommand %s\n", proxy)
	}
	text.WriteString("\n")
	for _, w := range all {
		name := shortName(w)
		if inventory.CheckName("a container", w.Name) != nil || inventory.CheckName("a project", w.Project) != nil {
			continue
		}
		fmt.Fprintf(&text, "Host %s %s.%s\n  HostName %s.%s\n  Port 22\n  ProxyJump %s\n  HostKeyAlias %s.%s\n  UserKnownHostsFile \"%s\"\n", name, name,
			inventory.Domain, name, inventory.Domain, alias, name, inventory.Domain, known)
		if user != "" {
			fmt.Fprintf(&text, "  User %s\n", user)
		}
		text.WriteString("\n")
	}
	if !c.Bool("install") {
		_, err := c.App.Writer.Write(text.Bytes())
		return err
	}
	return installSSHConfig(c, alias, text.Bytes(), []byte(trusted))
}

// installSSHConfig writes files of lodge's own, and one line into the person's.
func installSSHConfig(c *cli.Context, host string, config, known []byte) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	dir := filepath.Join(home, ".ssh", "lodge")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for suffix, text := range map[string][]byte{".config": config, ".known_hosts": known} {
		if err := os.WriteFile(filepath.Join(dir, host+suffix), text, 0o600); err != nil {
			return err
		}
	}
	// Relative to ~/.ssh, and before any Host: below one it would hold for that host alone (ssh_config(5)).
	const include = "Include lodge/*.config\n"
	path := filepath.Join(home, ".ssh", "config")
	own, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if !bytes.Contains(own, []byte(include)) {
		if err := os.WriteFile(path+".lodge", append([]byte(include), own...), 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".lodge", path); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.App.Writer, "ssh knows the containers by their names, like: ssh web1, ssh root@web1.%s\n", inventory.Domain)
	return nil
}
