package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"lodge/audit"
	"lodge/manager/anchor"
	"lodge/manager/systemd"
	"lodge/web/wire"
)

func (a *Agent) newAnchors() *anchor.Service {
	return anchor.New(anchor.Config{Journal: anchored{a.journal}, Store: a.store, Settings: a.store, Journald: systemd.Journald{},
		Host: a.host.Name, Root: a.Root, Log: a.log, Now: a.now})
}

// anchored shows the audit journal to what takes it off the host.
type anchored struct{ *audit.Journal }

func (j anchored) Next(ctx context.Context, than anchor.Checkpoint) (anchor.Checkpoint, error) {
	old := audit.Checkpoint{Size: than.Size, At: than.At}
	if !than.At.IsZero() {
		old.Origin = j.Origin()
	}
	c, err := j.NextCheckpoint(ctx, old)
	return anchor.Checkpoint{Size: c.Size, At: c.At, Note: string(c.Note)}, err
}

func (j anchored) Records(ctx context.Context, after int64, limit int) ([]anchor.Record, error) {
	entries, err := j.Journal.Records(ctx, audit.Query{AfterSeq: after, Limit: limit})
	out := make([]anchor.Record, len(entries))
	for i, e := range entries {
		out[i] = anchor.Record{Seq: e.Seq, Hash: e.Hash.String(), Payload: e.Payload, Record: e.Record}
	}
	return out, err
}

func (j anchored) Sealed(after int64) (out []anchor.Segment) {
	for _, s := range j.Finished(after) {
		out = append(out, anchor.Segment{Name: s.Name, First: s.First, Last: s.Last,
			Open: func() (io.ReadCloser, error) { return j.Read(s) }})
	}
	return out
}

// Anchors says how far each place outside the host is.
func (j journal) Anchors(ctx context.Context) ([]wire.AuditAnchor, error) {
	all, err := j.anchors.Anchors(ctx)
	out := make([]wire.AuditAnchor, len(all))
	for i, s := range all {
		out[i] = wire.AuditAnchor{Sink: s.Sink, Target: s.Target, State: string(s.State()), Size: s.Size, Sent: s.Sent, Arrived: s.Arrived,
			Behind: s.Behind(), Anchored: s.Checkpoint.Size, At: s.Checkpoint.At, Ahead: s.Ahead, Missed: s.Missed,
			Connected: s.Connected, Error: s.Error, Since: s.Since, Note: s.Note}
	}
	return out, err
}

// window says what each anchor has: what came after that is proved by this host alone.
func (j journal) window(ctx context.Context) (lines []string) {
	all, err := j.anchors.Anchors(ctx)
	if err != nil || len(all) == 0 {
		return []string{"nothing of it leaves this host by itself: set audit.syslog or audit.drop"}
	}
	for _, s := range all {
		line := fmt.Sprintf("%s %s: nothing has arrived there", s.Sink, s.Target)
		if s.Checkpoint.Size > 0 {
			line = fmt.Sprintf("%s %s: the checkpoint of %d records signed %s is there; what came after that is proved by this host alone",
				s.Sink, s.Target, s.Checkpoint.Size, s.Checkpoint.At.Format(time.RFC3339))
		}
		if s.Ahead > 0 {
			line += fmt.Sprintf("; records up to %d are there, which the journal had lost when an agent started", s.Ahead)
		}
		lines = append(lines, line)
	}
	return lines
}

// runAnchors works until ctx ends or the agent closes; the store closes after it.
func (a *Agent) runAnchors(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); a.anchors.Run(ctx) }()
	a.onClose(func() error { cancel(); <-done; return nil })
}
