package main

import (
	_ "embed"
	"io"
	"maps"
	"regexp"
	"slices"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func inventoryCommands() []*cli.Command {
	choose := func(more ...cli.Flag) []cli.Flag {
		return append(more, &cli.StringFlag{Name: "filter", Usage: "only those that match `EXPRESSION`"},
			allProjects())
	}
	return []*cli.Command{{Name: "inventory", Category: "Evidence",
		Usage: "the containers, for other programs", Subcommands: []*cli.Command{
			{Name: "csv", Usage: "every column of every container", Flags: choose(), Action: inventoryCSV},
			{Name: "ansible",
				Usage: "an inventory file, with groups by project, environment, owner, image and label", Action: inventoryAnsible,
				Description: "Ansible runs an inventory that is a program with --list; so a script of one line will do:\n  exec lodge inventory ansible --exec --list\n" +
					"With --ssh it reaches containers through the host's SSH gateway, by the names that 'lodge ssh-config --install'\n" +
					"has taught ssh; without, their own sshd.\n" +
					"With --exec it reaches containers by 'lodge exec' and not ssh, once it has the plugin:\n" +
					"  lodge inventory ansible --plugin > ~/.ansible/plugins/connection/lodge.py",
				Flags: choose(&cli.BoolFlag{Name: "list", Usage: "in the form of an inventory program"},
					&cli.BoolFlag{Name: "exec", Usage: "by the connection plugin lodge, without ssh"},
					&cli.BoolFlag{Name: "ssh", Usage: "through the SSH gateway, as ssh-config has it"},
					&cli.BoolFlag{Name: "plugin", Usage: "print the connection plugin, and nothing else"})},
			{Name: "http-sd", Usage: "targets for Prometheus (http_sd, or file_sd from a file)",
				Flags:  choose(&cli.IntFlag{Name: "port", Value: 9100, Usage: "where containers answer with their metrics: `PORT`"}),
				Action: inventoryTargets},
		}}}
}

func inventoried(c *cli.Context) ([]wire.Container, error) {
	q := client.ContainerQuery{Project: listed(c), Filter: c.String("filter")}
	return read(c, func(api *client.Client) ([]wire.Container,
		error) {
		return api.AllContainers(c.Context, q)
	})
}

func inventoryCSV(c *cli.Context) error {
	all, err := inventoried(c)
	if err != nil {
		return err
	}
	return printCSV(c.App.Writer, all, containerColumns)
}

// ansiblePlugin is how Ansible reaches containers without ssh.
//
//go:embed ansible_connection.py
var ansiblePlugin string

func inventoryTargets(c *cli.Context) error {
	q := client.ContainerQuery{Project: listed(c), Filter: c.String("filter")}
	all, err := read(c, func(api *client.Client) ([]wire.TargetGroup, error) {
		return api.Targets(c.Context, q, c.Int("port"))
	})
	if err != nil {
		return err
	}
	e := jsonLines(c.App.Writer)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

func inventoryAnsible(c *cli.Context) error {
	if c.Bool("plugin") {
		_, err := io.WriteString(c.App.Writer, ansiblePlugin)
		return err
	}
	if c.Bool("exec") && c.Bool("ssh") {
		return usage("inventory ansible takes --exec or --ssh, not both")
	}
	all, err := inventoried(c)
	if err != nil {
		return err
	}
	hosts, groups := map[string]map[string]any{}, map[string][]string{}
	for _, w := range all {
		name := ansibleName(w)
		hosts[name] = ansibleVars(w)
		switch {
		case c.Bool("exec"):
			hosts[name]["ansible_connection"] = "lodge"
		case c.Bool("ssh"):
			hosts[name]["ansible_host"] = shortName(w) + "." + inventory.Domain
		}
		for _, g := range ansibleGroups(w) {
			groups[g] = append(groups[g], name)
		}
	}
	e := jsonLines(c.App.Writer) // JSON is YAML too, which is what Ansible reads files as
	e.SetIndent("", "  ")
	if c.Bool("list") {
		return e.Encode(asProgram(hosts, groups))
	}
	return e.Encode(asFile(hosts, groups))
}

// asProgram is what an inventory program answers to --list. With hostvars under _meta Ansible does
// not ask for every host again.
func asProgram(hosts map[string]map[string]any, groups map[string][]string) map[string]any {
	out := map[string]any{"_meta": map[string]any{"hostvars": hosts},
		"all": map[string]any{"hosts": slices.Sorted(maps.Keys(hosts))}}
	for g, names := range groups {
		out[g] = map[string]any{"hosts": names}
	}
	return out
}

// asFile is what Ansible reads from a file.
func asFile(hosts map[string]map[string]any, groups map[string][]string) map[string]any {
	children := map[string]any{}
	for g, names := range groups {
		members := map[string]any{}
		for _, name := range names {
			members[name] = map[string]any{}
		}
		children[g] = map[string]any{"hosts": members}
	}
	return map[string]any{"all": map[string]any{"hosts": hosts, "children": children}}
}

// ansibleName is unique over projects.
func ansibleName(w wire.Container) string {
	return inventory.LXCName(w.Project, w.Name)
}

func ansibleVars(w wire.Container) map[string]any {
	labels := map[string]any{}
	for key, value := range w.Labels {
		labels[key] = unsafeText{value}
	}
	vars := map[string]any{"lodge_id": w.ID, "lodge_name": w.Name, "lodge_project": w.Project, "lodge_state": w.State,
		"lodge_purpose": unsafeText{w.Purpose}, "lodge_owner": unsafeText{w.Owner}, "lodge_labels": labels}
	if all := addresses(w); len(all) > 0 {
		vars["ansible_host"] = all[0]
	}
	return vars
}

// unsafeText is what people wrote: Ansible takes it as it is, and does not look for templates in it
// (docs.ansible.com, "Unsafe or raw strings"; this is how its JSON has them).
type unsafeText struct {
	Text string `json:"__ansible_unsafe"`
}

// notInGroup is what a group's name may not hold.
var notInGroup = regexp.MustCompile(`[^A-Za-z0-9_]+`)

func ansibleGroups(w wire.Container) []string {
	groups := []string{"project_" + w.Project, "state_" + string(w.State), "owner_" + w.Owner,
		"image_" + w.Image}
	if w.Environment != "" {
		groups = append(groups, "env_"+string(w.Environment))
	}
	for _, key := range slices.Sorted(maps.Keys(w.Labels)) {
		groups = append(groups, "label_"+key+"_"+w.Labels[key])
	}
	for i := range groups {
		groups[i] = notInGroup.ReplaceAllString(groups[i], "_")
	}
	return groups
}
