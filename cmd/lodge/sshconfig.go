package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
)

func sshConfigCommands() []*cli.Command {
	return []*cli.Command{{Name: "ssh-config", Category: "Evidence", Usage: "the containers, for ssh_config",
		Description: "Put it into a file and name that in ~/.ssh/config:\n  lodge ssh-config > ~/.ssh/lodge.config\n  Include lodge.config\n" +
			"It leads to the containers' own sshd, where an image has one.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "filter", Usage: "only those that match `EXPRESSION`"},
			&cli.StringFlag{Name: "user", Usage: "`USER` inside the container", Value: "root"}, allProjects()},
		Action: sshConfig}}
}

// sshConfig writes a Host for each container, by the names that DNS has too. Host keys belong to the
// container: they are kept by its id, so a name that is used again is no surprise.
func sshConfig(c *cli.Context) error {
	user := c.String("user")
	if user == "" || strings.ContainsAny(user, " \t\"\\") || inventory.CheckLine("the user", user) != nil {
		return usage("%q is no user", user)
	}
	all, err := inventoried(c)
	if err != nil {
		return err
	}
	for _, w := range all {
		at := addresses(w)
		if len(at) == 0 {
			continue
		}
		short := w.Name
		if w.Project != inventory.DefaultProject {
			short += "." + w.Project
		}
		fmt.Fprintf(c.App.Writer, "Host %s %s.lodge.internal\n  HostName %s\n  HostKeyAlias lodge-%s\n  User %s\n\n",
			short, short, at[0], w.ID, user)
	}
	return nil
}
