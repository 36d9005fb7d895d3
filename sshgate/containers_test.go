package sshgate_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"lodge/inventory"
)

// containersOf is what a lab knows of containers: web1 runs, web3 never did, and web4 is nobody's to enter.
type containersOf struct {
	box  *inventory.Container // web1, or what has its name by now
	anew atomic.Bool          // web1 was removed, and another made under its name

	stepping sync.Mutex // guards steps
	steps    []string   // what the gateway asked, in order
}

const (
	anewID    inventory.ContainerID = "0190a000-0000-7000-8000-00000000f00d"
	stoppedID inventory.ContainerID = "0190a000-0000-7000-8000-000000000003"
	closedID  inventory.ContainerID = "0190a000-0000-7000-8000-000000000004"
)

func (l *lab) named() map[string]*inventory.Container {
	known := map[string]*inventory.Container{}
	for name, id := range map[string]inventory.ContainerID{"web1": l.box.ID, "web3": stoppedID, "web4": closedID} {
		c := *l.box
		c.ID = id
		if known[name] = &c; name == "web1" && l.anew.Load() {
			c.ID = anewID
		}
	}
	return known
}

// find takes names and ids.
func (l *lab) find(ref inventory.Ref) (*inventory.Container, error) {
	for name, c := range l.named() {
		if ref.Name == name || ref.Name == string(c.ID) {
			return c, nil
		}
	}
	return nil, inventory.Errorf(inventory.ErrNotFound, "there is no container %s", ref)
}

// Container is the gateway's own look.
func (l *lab) Container(_ context.Context, ref inventory.Ref) (*inventory.Container, error) {
	l.step("container")
	c, err := l.find(ref)
	if err == nil && ref.Project != inventory.DefaultProject {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no container %s", ref)
	}
	return c, err
}

// Allowed lets everybody do everything, but in web4.
func (l *lab) Allowed(_ inventory.Principal, right inventory.Right, c *inventory.Container) bool {
	l.step("right " + string(right))
	return c == nil || c.ID != closedID
}

func (l *lab) containers(context.Context) ([]*inventory.Container, error) {
	named := *l.named()["web1"]
	named.Name = "web1"
	return []*inventory.Container{&named}, nil
}

func (l *lab) step(what string) {
	l.stepping.Lock()
	defer l.stepping.Unlock()
	l.steps = append(l.steps, what)
}

// taken are the steps since it was last asked.
func (l *lab) taken() []string {
	l.stepping.Lock()
	defer l.stepping.Unlock()
	defer func() { l.steps = nil }()
	return slices.Clone(l.steps)
}
