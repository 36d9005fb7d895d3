package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
)

func doctorCommands() []*cli.Command {
	return []*cli.Command{{Name: "doctor", Category: "Host",
		Usage: "check the host, with or without an agent",
		Description: "Exit code 1 if anything fails. --fix does what is safe: it raises kernel limits, adds id ranges\n" +
			"and the group, loads modules and starts lxcfs, and says what it did.",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "fix", Usage: "put right what can be put right safely"}},
		Action: doctor}}
}

// A verdict says whether Lodge can work with what was found.
type verdict string

const (
	verdictOK   verdict = "ok"
	verdictWarn verdict = "warn" // it works, with less than is promised
	verdictFail verdict = "fail"
)

// A check is one thing that was looked at.
type check struct {
	Name    string  `json:"name"`
	Verdict verdict `json:"verdict"`
	Found   string  `json:"found"`
	Advice  string  `json:"advice,omitempty"`
	Fixed   string  `json:"fixed,omitempty"` // what --fix did

	// fix puts it right and says what it did; nil when that is not for us to do.
	fix func() (string, error)
}

// checks are all of them, in the order they are shown.
var checks = []func(*host) check{
	checkKernel, checkUserNamespaces, checkSeccomp, checkBtrfs, checkNetworkDevices, checkNftables, checkOverlay,
	checkAppArmor, checkCgroups, checkLXCFS, checkSubIDs("subuid"), checkSubIDs("subgid"), checkGroup,
	checkLimits("inotify limits", "fs.inotify."), checkLimits("keyring limits", "kernel.keys."),
	checkLimits("neighbour tables", "net."), checkDisk, checkForwarding, checkIPv6, checkHostNames, checkFirewalls, checkPrograms,
	checkMmdebstrap, checkLiblxc, checkAgent, checkStrays, checkReviews, checkAnchors,
}

// examine runs every check. With fix it puts right what it can and looks again.
func examine(h *host, fix bool) []check {
	var all []check
	for _, look := range checks {
		k := look(h)
		if fix && k.fix != nil {
			k = repair(h, k, look)
		}
		all = append(all, k)
	}
	return all
}

func repair(h *host, k check, look func(*host) check) check {
	did, err := k.fix()
	if err != nil {
		k.Advice = fmt.Sprintf("not fixed: %v; %s", err, k.Advice)
		return k
	}
	k = look(h)
	k.Fixed = did
	return k
}

func doctor(c *cli.Context) error {
	h, err := thisHost(c)
	if err != nil {
		return err
	}
	if c.Bool("fix") && !h.isRoot {
		return inventory.Errorf(inventory.ErrDenied,
			"doctor --fix changes the host and takes root; try: sudo lodge doctor --fix")
	}
	all := examine(h, c.Bool("fix"))
	if err := printChecks(c, all); err != nil {
		return err
	}
	for _, k := range all {
		if k.Verdict == verdictFail {
			return codeError(inventory.ExitFailure)
		}
	}
	return nil
}

var checkColumns = []column[check]{
	{"check", false, func(k check) string { return k.Name }},
	{"verdict", false, func(k check) string { return string(k.Verdict) }},
	{"found", false, func(k check) string { return k.Found }},
	{"fixed", false, func(k check) string { return k.Fixed }},
	{"advice", false, func(k check) string { return k.Advice }},
}

// printChecks writes a line per check, and below it what was done and what would help.
func printChecks(c *cli.Context, all []check) error {
	if c.String("output") != "table" {
		return printList(c, all, checkColumns)
	}
	out, paint := c.App.Writer, painter(c)
	for _, k := range all {
		if c.Bool("quiet") && k.Verdict == verdictOK && k.Fixed == "" {
			continue
		}
		mark := paint(string(k.Verdict)) + strings.Repeat(" ", 4-len(k.Verdict))
		fmt.Fprintf(out, "%s  %-18s %s\n", mark, k.Name, printable(k.Found))
		printBelow(out, k.Fixed)
		printBelow(out, k.Advice)
	}
	return nil
}

func printBelow(out io.Writer, text string) {
	if text != "" {
		fmt.Fprintf(out, "%24s %s\n", "->", printable(text))
	}
}
