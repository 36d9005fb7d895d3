package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// hosted is a container with the name of the host it was found on.
type hosted struct {
	Host string `json:"host"`
	wire.Container
}

// hostedColumns are a container's, with the host after the name.
func hostedColumns(names string) ([]column[hosted], error) {
	var all []column[hosted]
	for _, col := range containerColumns {
		all = append(all, column[hosted]{col.head, col.wide, func(h hosted) string { return col.cell(h.Container) }})
	}
	host := column[hosted]{"host", false, func(h hosted) string { return h.Host }}
	return chosen(slices.Insert(all, 1, host), names)
}

// chosenHosts reads --hosts: names of profiles separated by commas, or all.
func chosenHosts(text string) ([]string, error) {
	p, err := readProfiles()
	if err != nil {
		return nil, err
	}
	if text == "all" {
		return p.names(), nil
	}
	names := strings.Split(text, ",")
	for _, name := range names {
		if _, err := p.address(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// listOfHosts lists the containers of many hosts side by side. A host that can't be reached costs
// the others nothing: it is named at the end, and the exit code says so.
func listOfHosts(c *cli.Context, q client.ContainerQuery) error {
	columns, err := hostedColumns(c.String("columns"))
	if err != nil {
		return err
	}
	names, err := chosenHosts(c.String("hosts"))
	if err != nil {
		return err
	}
	found, failed := make([][]wire.Container, len(names)), make([]error, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() { found[i], failed[i] = containersOf(c, name, q) })
	}
	wait.Wait()
	var all []hosted
	for i, containers := range found {
		for _, w := range containers {
			all = append(all, hosted{names[i], w})
		}
	}
	if err := printList(c, all, columns); err != nil {
		return err
	}
	code := inventory.ExitOK
	for i, err := range failed {
		if err != nil {
			fmt.Fprintf(c.App.ErrWriter, "lodge: %s: %s\n", names[i], printable(err.Error()))
			code = codeOf(err)
		}
	}
	if code != inventory.ExitOK {
		return codeError(code)
	}
	return nil
}

func containersOf(c *cli.Context, host string, q client.ContainerQuery) ([]wire.Container, error) {
	api, err := dialHost(host)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	return api.AllContainers(c.Context, q)
}
