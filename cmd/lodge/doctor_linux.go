package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// runTimeout bounds one program of a check; modprobe and systemctl take the longest.
const runTimeout = 30 * time.Second

// thisHost is the machine we run on.
func thisHost(c *cli.Context) (*host, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	h := &host{root: "/", release: unix.ByteSliceToString(u.Release[:]), isRoot: os.Geteuid() == 0,
		space: space}
	h.run = func(name string, args ...string) (string,
		error) {
		return runProgram(c.Context, h, name, args)
	}
	var once sync.Once
	var v wire.Version
	var at wire.Host
	var err error
	h.agent = func() (wire.Version, wire.Host, error) {
		once.Do(func() { v, at, err = askAgent(c) })
		return v, at, err
	}
	h.strays = func() ([]inventory.Stray, error) {
		return read(c, func(api *client.Client) ([]inventory.Stray, error) { return api.Strays(c.Context) })
	}
	h.changes = func() ([]wire.Change, error) {
		return read(c, func(api *client.Client) ([]wire.Change, error) {
			page, err := api.Changes(c.Context, client.ChangeQuery{State: client.Waiting})
			return page.Items, err
		})
	}
	h.anchors = func() ([]wire.AuditAnchor, error) {
		page, err := read(c, func(api *client.Client) (wire.Page[wire.AuditAnchor], error) { return api.AuditAnchors(c.Context) })
		return page.Items, err
	}
	return h, nil
}

func askAgent(c *cli.Context) (v wire.Version, at wire.Host, err error) {
	ctx, cancel := context.WithTimeout(c.Context, 5*time.Second)
	defer cancel()
	v, err = read(c, func(api *client.Client) (wire.Version, error) { return api.Version(ctx) })
	if err == nil {
		at, err = read(c, func(api *client.Client) (wire.Host, error) { return api.Host(ctx) })
	}
	return v, at, err
}

// runProgram finds programs where the system has them, whatever PATH sudo left us.
func runProgram(ctx context.Context, h *host, name string, args []string) (string, error) {
	if !strings.Contains(name, "/") {
		if name = h.program(name); name == "" {
			return "", osexec.ErrNotFound
		}
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := osexec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), "LC_ALL=C")
	err := cmd.Run()
	if said := strings.TrimSpace(errs.String()); err != nil && said != "" {
		err = errors.New(said)
	}
	return out.String(), err
}

func space(path string) (total, free int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Blocks) * s.Bsize, int64(s.Bavail) * s.Bsize, nil
}
