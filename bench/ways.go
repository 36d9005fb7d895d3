package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"lodge/inventory"
	"lodge/manager/session/stream"
	"lodge/web/wire"
)

// snapshotName is that of every snapshot that is measured.
const snapshotName = "before"

// agentWay works through the API, over one connection that is kept.
type agentWay struct{ b *bench }

func (b *bench) viaAgent() agentWay { return agentWay{b} }

func (w agentWay) make(ctx context.Context, name string, start bool) error {
	args := inventory.CreateArgs{Image: imageName, Name: name, Purpose: "a measurement"}
	return settle(w.b.agent.client.Create(ctx, args, start, wait))
}

func (w agentWay) create(ctx context.Context, name string) error { return w.make(ctx, name, false) }
func (w agentWay) launch(ctx context.Context, name string) error { return w.make(ctx, name, true) }

func (w agentWay) start(ctx context.Context, name string) error {
	return settle(w.b.agent.client.Start(ctx, refOf(name), wait))
}

func (w agentWay) stop(ctx context.Context, name string) error {
	return settle(w.b.agent.client.Stop(ctx, refOf(name), inventory.StopArgs{}, wait))
}

func (w agentWay) kill(ctx context.Context, name string) error {
	return settle(w.b.agent.client.Kill(ctx, refOf(name), wait))
}

func (w agentWay) snapshot(ctx context.Context, name string) error {
	return settle(w.b.agent.client.CreateSnapshot(ctx, refOf(name),
		inventory.SnapshotArgs{Name: snapshotName}, wait))
}

func (w agentWay) restore(ctx context.Context, name string) error {
	return settle(w.b.agent.client.RestoreSnapshot(ctx, refOf(name), snapshotName, wait))
}

func (w agentWay) clone(ctx context.Context, name, to string) error {
	return settle(w.b.agent.client.Clone(ctx, refOf(name), inventory.CloneArgs{Name: to}, wait))
}

func (w agentWay) trash(ctx context.Context, name string) error {
	return settle(w.b.agent.client.Delete(ctx, refOf(name), false, wait))
}

func (w agentWay) purge(ctx context.Context, name string) error {
	return settle(w.b.agent.client.Purge(ctx, refOf(name), wait))
}

func (w agentWay) address(ctx context.Context, name string) (string, error) {
	c, err := w.b.agent.client.Container(ctx, refOf(name))
	if err != nil || len(c.NICs) == 0 {
		return "", fmt.Errorf("no address of %s: %w", name, err)
	}
	return c.NICs[0].IPv4, nil
}

// exec runs true in the container and returns when its exit code has come.
func (w agentWay) exec(ctx context.Context, name string) error {
	s, err := w.b.agent.client.OpenSession(ctx, refOf(name),
		wire.SessionRequest{Kind: inventory.SessionExec,
			SessionArgs: inventory.SessionArgs{Command: []string{"true"}}}, wait)
	if err != nil {
		return err
	}
	conn, err := w.b.agent.client.Stream(ctx, s.ID, false)
	if err != nil {
		return err
	}
	exit, err := stream.Dial(conn).Run(ctx, nil, io.Discard, io.Discard, nil)
	if err == nil && exit.Code != 0 {
		err = fmt.Errorf("true in %s ended with %d", name, exit.Code)
	}
	return err
}

// commandWay runs the lodge program.
type commandWay struct{ b *bench }

func (w commandWay) lodge(ctx context.Context, args ...string) error {
	env := []string{"LODGE_HOST=unix:" + w.b.agent.socket(), "PATH=/usr/bin:/bin", "HOME=/root"}
	return command(ctx, env, append([]string{filepath.Join(w.b.bin, "lodge")}, args...)...)
}

func (w commandWay) create(ctx context.Context, name string) error {
	return w.lodge(ctx, "create", imageName, name, "--purpose", "a measurement")
}

func (w commandWay) launch(ctx context.Context, name string) error {
	return w.lodge(ctx, "launch", imageName, name, "--purpose", "a measurement")
}

func (w commandWay) start(ctx context.Context, name string) error { return w.lodge(ctx, "start", name) }
func (w commandWay) stop(ctx context.Context, name string) error  { return w.lodge(ctx, "stop", name) }
func (w commandWay) kill(ctx context.Context, name string) error {
	return w.lodge(ctx, "kill", name, "-y")
}
func (w commandWay) trash(ctx context.Context, name string) error {
	return w.lodge(ctx, "delete", name, "-y")
}

func (w commandWay) purge(ctx context.Context, name string) error {
	return w.lodge(ctx, "delete", "--purge", name, "-y")
}

func (w commandWay) exec(ctx context.Context, name string) error {
	return w.lodge(ctx, "exec", name, "--", "true")
}

func (w commandWay) snapshot(ctx context.Context, name string) error {
	return w.lodge(ctx, "snapshot", "create", name, snapshotName)
}

func (w commandWay) restore(ctx context.Context, name string) error {
	return w.lodge(ctx, "snapshot", "restore", name, snapshotName, "-y")
}

func (w commandWay) clone(ctx context.Context, name, to string) error {
	return w.lodge(ctx, "clone", name, to)
}

func (w commandWay) address(ctx context.Context, name string) (string, error) {
	return w.b.viaAgent().address(ctx, name)
}
