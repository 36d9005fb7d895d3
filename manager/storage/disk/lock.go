// Package disk has what pools on this machine's disks share: locks by name, loop devices, the table
// of mounts, and files that are whole after a crash.
package disk

import (
	"slices"
	"sync"
)

// Locks are mutexes by name: of volumes ("volume ID") and of images ("image HEX"). A goroutine that
// holds two took them in the order of their names. The zero value is ready.
type Locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	sync.Mutex
	users int // holders and waiters, guarded by Locks.mu
}

// Take locks the names and returns what unlocks them. Equal names are locked once.
func (l *Locks) Take(a string, more ...string) (release func()) {
	var releases []func()
	for _, name := range inOrder(a, more) {
		releases = append(releases, l.one(name))
	}
	return func() {
		for _, r := range releases {
			r()
		}
	}
}

func (l *Locks) one(name string) (release func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	k := l.held[name]
	if k == nil {
		k = &lock{}
		l.held[name] = k
	}
	k.users++
	l.mu.Unlock()
	k.Lock()
	return func() {
		k.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.held, name)
		}
	}
}

func inOrder(a string, more []string) []string {
	names := append([]string{a}, more...)
	slices.Sort(names)
	return slices.Compact(names)
}
