package network

import (
	"maps"
	"slices"
	"strings"
)

// A ruleset is a table of ours as text: what it is, and what has to be told to make one of another.
type ruleset struct {
	sets   map[string]ruleSet
	chains map[string]ruleChain
}

// A ruleSet is a set or map of nft with its elements, as nft writes them.
type ruleSet struct {
	kind     string // "set", "map"
	decl     string // "type ipv4_addr"
	elements []string
}

// A ruleChain is one with a hook, "" for one that is jumped to.
type ruleChain struct {
	hook  string
	rules []string
}

func (r *ruleset) add(chain string, rules ...string) {
	c := r.chains[chain]
	c.rules = append(c.rules, rules...)
	r.chains[chain] = c
}

// whole writes the table anew, as one block: nft takes a command for each rule ten times as long.
func (r *ruleset) whole(table string) *script {
	out := &script{}
	out.add("add table inet %s", table)
	out.add("delete table inet %s", table)
	out.add("table inet %s {", table)
	out.add("comment \"Lodge, who may talk to whom; don't edit\"")
	for _, name := range slices.Sorted(maps.Keys(r.sets)) {
		s := r.sets[name]
		out.add("%s %s {\n%s", s.kind, name, s.decl)
		if len(s.elements) > 0 {
			out.add("elements = { %s }", strings.Join(s.elements, ", "))
		}
		out.add("}")
	}
	for _, name := range slices.Sorted(maps.Keys(r.chains)) {
		c := r.chains[name]
		out.add("chain %s {", name)
		if c.hook != "" {
			out.add("%s;", c.hook)
		}
		for _, rule := range c.rules {
			out.add("%s", rule)
		}
		out.add("}")
	}
	out.add("}")
	return out
}

// change writes what differs in next.
func (r *ruleset) change(table string, next *ruleset) *script {
	out := &script{}
	r.steps(out, table, next)
	return out
}

// steps go from what is to next, in an order in which nothing names what is not there: sets and chains
// come before what uses them, and go after it.
func (r *ruleset) steps(out *script, table string, next *ruleset) {
	sets, chains := slices.Sorted(maps.Keys(next.sets)), slices.Sorted(maps.Keys(next.chains))
	for _, name := range sets {
		if _, have := r.sets[name]; !have {
			s := next.sets[name]
			out.add("add %s inet %s %s { %s; }", s.kind, table, name, s.decl)
		}
	}
	for _, name := range chains {
		if _, have := r.chains[name]; have {
			continue
		}
		hook := next.chains[name].hook
		if hook != "" {
			hook = " { " + hook + "; }"
		}
		out.add("add chain inet %s %s%s", table, name, hook)
	}
	r.elements(out, table, next)
	for _, name := range chains {
		old, have := r.chains[name]
		if have && slices.Equal(old.rules, next.chains[name].rules) {
			continue
		}
		if have {
			out.add("flush chain inet %s %s", table, name)
		}
		for _, rule := range next.chains[name].rules {
			out.add("add rule inet %s %s %s", table, name, rule)
		}
	}
	r.leavings(out, table, next)
}

// elements brings every set to what it holds in next.
func (r *ruleset) elements(out *script, table string, next *ruleset) {
	for _, name := range slices.Sorted(maps.Keys(next.sets)) {
		was, is := r.sets[name].elements, next.sets[name].elements
		if gone := without(was, is); len(gone) > 0 {
			out.add("delete element inet %s %s { %s }", table, name, strings.Join(gone, ", "))
		}
		if fresh := without(is, was); len(fresh) > 0 {
			out.add("add element inet %s %s { %s }", table, name, strings.Join(fresh, ", "))
		}
	}
}

// leavings removes chains and sets that next has not: all are emptied before one goes.
func (r *ruleset) leavings(out *script, table string, next *ruleset) {
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(r.chains)) {
		if _, stays := next.chains[name]; !stays {
			gone = append(gone, name)
			out.add("flush chain inet %s %s", table, name)
		}
	}
	for _, name := range gone {
		out.add("delete chain inet %s %s", table, name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.sets)) {
		if _, stays := next.sets[name]; !stays {
			out.add("delete %s inet %s %s", r.sets[name].kind, table, name)
		}
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
