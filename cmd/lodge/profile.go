package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"lodge/inventory"
	"lodge/web/client"
)

// localHost is the profile that is always there: the agent of this machine.
const localHost = "local"

// profiles are the hosts this person knows by name, and the one they use when they name none.
type profiles struct {
	Use   string            `yaml:"use,omitempty"`
	Hosts map[string]string `yaml:"hosts,omitempty"` // address by name
}

// profilePath is the person's own file, below their configuration folder.
func profilePath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", inventory.Errorf(inventory.ErrUnavailable, "there is no folder for your configuration: %v", err)
	}
	return filepath.Join(dir, "lodge", "hosts.yaml"), nil
}

// readProfiles reads the file; none is no error.
func readProfiles() (profiles, error) {
	p := profiles{Hosts: map[string]string{}}
	path, err := profilePath()
	if err != nil {
		return p, nil // a service without a home has no profiles
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return p, inventory.Errorf(inventory.ErrInvalid, "%s can't be read: %v", path, err)
	}
	if p.Hosts == nil {
		p.Hosts = map[string]string{}
	}
	return p, nil
}

func (p profiles) save() error {
	path, err := profilePath()
	if err != nil {
		return err
	}
	raw, err := yaml.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// address turns what --host or LODGE_HOST says into an address: a profile's name into its own, ""
// into that of the profile in use.
func (p profiles) address(host string) (string, error) {
	if host == "" {
		host = p.Use
	}
	switch {
	case host == "" || host == localHost:
		return "", nil
	case strings.ContainsAny(host, ":/"):
		return host, nil
	}
	if a, ok := p.Hosts[host]; ok {
		return a, nil
	}
	return "", inventory.Errorf(inventory.ErrNotFound,
		"there is no host %s; 'lodge host list' shows those you added, 'lodge host add %s ssh://user@machine' adds it", host, host)
}

// names are all hosts, the local one first.
func (p profiles) names() []string {
	return append([]string{localHost}, slices.Sorted(maps.Keys(p.Hosts))...)
}

// dialHost returns a client for a profile or an address.
func dialHost(host string) (*client.Client, error) {
	p, err := readProfiles()
	if err != nil {
		return nil, err
	}
	address, err := p.address(host)
	if err != nil {
		return nil, err
	}
	if address == "" {
		address = "unix:" + client.DefaultSocket
	}
	return client.Dial(address)
}

func addHost(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("host add needs a name and an address, like: lodge host add oslo ssh://admin@oslo.example")
	}
	name, address := c.Args().Get(0), c.Args().Get(1)
	if err := inventory.CheckName("the host", name); err != nil {
		return err
	}
	if name == localHost || name == "all" {
		return usage("%s means a host already; choose another name", name)
	}
	api, err := client.Dial(address)
	if err != nil {
		return err
	}
	api.Close()
	p, err := readProfiles()
	if err != nil {
		return err
	}
	if old, ok := p.Hosts[name]; ok && old != address {
		return inventory.Errorf(inventory.ErrExists,
			"there is a host %s already, at %s; remove it first with 'lodge host remove %s'", name, old, name)
	}
	p.Hosts[name] = address
	return p.save()
}

func useHost(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("host use needs the name of a host; 'lodge host list' shows them")
	}
	p, err := readProfiles()
	if err != nil {
		return err
	}
	if _, err := p.address(c.Args().First()); err != nil {
		return err
	}
	p.Use = c.Args().First()
	if p.Use == localHost {
		p.Use = ""
	}
	return p.save()
}

func removeHost(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("host remove needs the name of a host")
	}
	p, err := readProfiles()
	if err != nil {
		return err
	}
	name := c.Args().First()
	if _, ok := p.Hosts[name]; !ok {
		return inventory.Errorf(inventory.ErrNotFound, "there is no host %s; 'lodge host list' shows those you added", name)
	}
	delete(p.Hosts, name)
	if p.Use == name {
		p.Use = ""
	}
	return p.save()
}

// A profile is one row of the list of hosts.
type profile struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Used    bool   `json:"used"`
}

var profileColumns = []column[profile]{
	{"name", false, func(p profile) string { return p.Name }},
	{"address", false, func(p profile) string { return p.Address }},
	{"used", false, func(p profile) string { return yes(p.Used) }},
}

func listHosts(c *cli.Context) error {
	p, err := readProfiles()
	if err != nil {
		return err
	}
	var all []profile
	for _, name := range p.names() {
		address, err := p.address(name)
		if err != nil {
			return err
		}
		if name == localHost {
			address = "unix:" + client.DefaultSocket
		}
		all = append(all, profile{name, address, name == p.Use || p.Use == "" && name == localHost})
	}
	return printList(c, all, profileColumns)
}

// completeHosts prints the names of the hosts.
func completeHosts(c *cli.Context) {
	p, _ := readProfiles()
	for _, name := range p.names() {
		fmt.Fprintln(c.App.Writer, name)
	}
}
