// Package nft writes tables of nftables by netlink: what differs, as one transaction, within a few
// milliseconds. nft(8) reads all rules of the host before it changes one.
//
// Tables are text, so that they can be compared, read and logged; rules are in the part of nft's language
// that encode.go knows, which has no anonymous sets.
//
// A crash leaves the old rules or the new ones: the kernel has a transaction whole, in one message, or
// not at all.
package nft

import (
	"errors"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// A Table is one of family inet.
type Table struct {
	Comment string
	Sets    map[string]Set
	Chains  map[string]Chain
}

// A Set is a set, or with Data a map, of elements as nft writes them: "KEY" or "KEY : DATA".
type Set struct {
	Key, Data string // ipv4_addr, ipv6_addr, inet_service, ifname; Data also verdict
	Elements  []string
}

// A Chain has a hook, or none if it is jumped to.
type Chain struct {
	Hook  Hook
	Rules []string
}

// A Hook is where packets come to a chain; the zero one is none.
type Hook struct {
	Kind     string // filter, nat
	At       string // prerouting, input, forward, output, postrouting
	Priority int32
}

// Add appends rules to a chain, which is made if it is not there.
func (t *Table) Add(chain string, rules ...string) {
	c := t.Chains[chain]
	c.Rules = append(c.Rules, rules...)
	t.Chains[chain] = c
}

// Count is how many rules it has.
func (t *Table) Count() (n int) {
	for _, c := range t.Chains {
		n += len(c.Rules)
	}
	return n
}

// Replace makes the table of that name this one, whatever it was.
func (c *Conn) Replace(name string, t *Table) error {
	w := &writer{table: name}
	w.begin(0)
	w.newTable("") // so that deleting a missing one is no error
	w.deleteTable()
	w.newTable(t.Comment)
	w.change(&Table{}, t)
	return errors.Join(w.err, c.sendUnless(w))
}

// Change makes a table that is was one that is next. If nothing differs, nothing is written. ErrStale:
// the ruleset is of another generation than the one given, so the table may be another than was.
func (c *Conn) Change(name string, was, next *Table, generation uint32) (changed bool, err error) {
	w := &writer{table: name}
	w.begin(generation)
	w.change(was, next)
	if w.isEmpty() && w.err == nil {
		return false, nil
	}
	return true, c.sendUnless(w)
}

// Delete takes the table away; one that is not there is no error.
func (c *Conn) Delete(name string) error {
	w := &writer{table: name}
	w.begin(0)
	w.newTable("")
	w.deleteTable()
	return c.sendUnless(w)
}

func (c *Conn) sendUnless(w *writer) error {
	if w.err != nil {
		return w.err
	}
	return c.send(&w.batch)
}

// ErrStale says that somebody else wrote rules.
var ErrStale = errStale

// A writer writes what happens to one table into a batch; err is the first rule that can't be.
type writer struct {
	batch
	table string
	err   error
}

func (w *writer) newTable(comment string) {
	w.add(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func(a *attributes) {
		a.text(unix.NFTA_TABLE_NAME, w.table)
		a.number(unix.NFTA_TABLE_FLAGS, 0)
		if comment != "" {
			const userdata = 6 // NFTA_TABLE_USERDATA
			a.bytes(userdata, commentData(comment))
		}
	})
}

func (w *writer) deleteTable() {
	w.add(unix.NFT_MSG_DELTABLE, 0, func(a *attributes) { a.text(unix.NFTA_TABLE_NAME, w.table) })
}

// change goes from what is to next, in an order in which nothing names what is not there: sets and chains
// come before what uses them, and go after it.
func (w *writer) change(was, next *Table) {
	sets, chains := slices.Sorted(maps.Keys(next.Sets)), slices.Sorted(maps.Keys(next.Chains))
	for _, name := range sets {
		if _, have := was.Sets[name]; !have {
			w.newSet(name, next.Sets[name])
		}
	}
	for _, name := range chains {
		if _, have := was.Chains[name]; !have {
			w.newChain(name, next.Chains[name].Hook)
		}
	}
	for _, name := range sets {
		set := next.Sets[name]
		old := was.Sets[name].Elements
		w.elements(unix.NFT_MSG_DELSETELEM, name, set, without(old, set.Elements))
		w.elements(unix.NFT_MSG_NEWSETELEM, name, set, without(set.Elements, old))
	}
	for _, name := range chains {
		old, have := was.Chains[name]
		rules := next.Chains[name].Rules
		if have && slices.Equal(old.Rules, rules) {
			continue
		}
		if len(old.Rules) > 0 {
			w.flush(name)
		}
		for _, rule := range rules {
			w.rule(name, rule)
		}
	}
	w.leavings(was, next)
}

// leavings removes chains and sets that next has not: all are emptied before one goes, and maps go before
// the chains they jump to.
func (w *writer) leavings(was, next *Table) {
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(was.Chains)) {
		if _, stays := next.Chains[name]; !stays {
			gone = append(gone, name)
			w.flush(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was.Sets)) {
		if _, stays := next.Sets[name]; !stays {
			if was.Sets[name].Data == verdictType { // what it jumps to may go, too
				w.elements(unix.NFT_MSG_DELSETELEM, name, was.Sets[name], was.Sets[name].Elements)
			}
			w.add(unix.NFT_MSG_DELSET, 0, func(a *attributes) {
				a.text(unix.NFTA_SET_TABLE, w.table)
				a.text(unix.NFTA_SET_NAME, name)
			})
		}
	}
	for _, name := range gone {
		w.add(unix.NFT_MSG_DELCHAIN, 0, func(a *attributes) {
			a.text(unix.NFTA_CHAIN_TABLE, w.table)
			a.text(unix.NFTA_CHAIN_NAME, name)
		})
	}
}

// without returns the elements of all that are not in some.
func without(all, some []string) (out []string) {
	have := make(map[string]bool, len(some))
	for _, e := range some {
		have[e] = true
	}
	for _, e := range all {
		if !have[e] {
			out = append(out, e)
		}
	}
	return out
}
