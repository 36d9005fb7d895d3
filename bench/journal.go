package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/audit"
	"lodge/inventory"
)

// What is appended to the audit journal in one round.
const (
	loneEvents     = 50      // one after the other
	producers      = 64      // at once
	togetherEvents = 15_000  // of all producers
	verifiedEvents = 150_000 // in the journal that is verified
)

// event is a record as a verb leaves it.
func event(n int) inventory.Record {
	return inventory.Record{Kind: inventory.RecordIntent, Verb: "container.start", Reason: "the nightly run",
		Principal: inventory.Principal{Name: "alice", Kind: inventory.KindPerson, Proof: "peer uid 1000", From: "unix"},
		Subject:   "container:0198f3a2-1111-7abc-8def-0123456789ab", Name: fmt.Sprint("web", n%500), Project: "default",
		Operation: inventory.OperationID(fmt.Sprintf("0198f3a2-2222-7abc-8def-%012d", n)), Boot: "5a3f6c1e-0000-4000-8000-000000000000",
		MonoNs: int64(n), Detail: json.RawMessage(`{"timeout":"30s"}`)}
}

// journal measures the audit journal in this process, beside the agent's root.
func (b *bench) journal(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.agent.home, "journal")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	o := audit.Options{Key: key, Log: slog.New(slog.DiscardHandler)}
	if err := b.events(ctx, filepath.Join(dir, "events"), o); err != nil {
		return err
	}
	return b.verification(ctx, filepath.Join(dir, "verified"), o)
}

// events measures what it takes until an event is durable.
func (b *bench) events(ctx context.Context, dir string, o audit.Options) error {
	j, err := audit.Open(dir, o)
	if err != nil {
		return err
	}
	defer j.Close()
	bare, err := newBare(filepath.Join(filepath.Dir(dir), "bare"), j, dir)
	if err != nil {
		return err
	}
	defer bare.file.Close()
	for round := range b.rounds + 1 {
		if err := b.lone(ctx, round, j, bare); err != nil {
			return err
		}
		d, err := timed(func() error { return together(ctx, j, producers, togetherEvents) })
		if err != nil {
			return err
		}
		b.results.add("event-64", inAgent, round, d)
	}
	return nil
}

// lone appends events and as many bytes in turn, so that what else the disk does touches both alike.
func (b *bench) lone(ctx context.Context, round int, j *audit.Journal, bare *bare) error {
	var each [2]sample
	for n := range loneEvents {
		for i, do := range []func() error{bare.append, func() error { _, err := j.Append(ctx, event(n)); return err }} {
			d, err := timed(do)
			if err != nil {
				return err
			}
			each[i] = append(each[i], d)
		}
	}
	b.results.add("event", inRaw, round, each[0].median())
	b.results.add("event", inAgent, round, each[1].median())
	return nil
}

// bare is a file that an event's bytes are appended to.
type bare struct {
	file *os.File
	text []byte
}

// newBare makes one whose bytes are as many as the journal writes for an event.
func newBare(path string, j *audit.Journal, dir string) (*bare, error) {
	before, err := size(dir)
	if err == nil {
		_, err = j.Append(context.Background(), event(0))
	}
	after, err2 := size(dir)
	if err != nil || err2 != nil {
		return nil, fmt.Errorf("the size of an event: %w %w", err, err2)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &bare{f, make([]byte, after-before)}, err
}

func (b *bare) append() error {
	if _, err := b.file.Write(b.text); err != nil {
		return err
	}
	return unix.Fdatasync(int(b.file.Fd()))
}

// size is that of the journal's segments.
func size(dir string) (sum int64, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		sum += info.Size()
	}
	return sum, err
}

// together appends n events from so many callers.
func together(ctx context.Context, j *audit.Journal, callers, n int) error {
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for k := i; k < n && errs[i] == nil; k += callers {
				_, errs[i] = j.Append(ctx, event(k))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// verification measures the CPU time of verifying a journal: of one core, as it is done in one goroutine.
func (b *bench) verification(ctx context.Context, dir string, o audit.Options) error {
	if !b.wanted("verify") {
		return nil
	}
	j, err := audit.Open(dir, o)
	if err != nil {
		return err
	}
	err = together(ctx, j, 256, verifiedEvents)
	j.Close()
	if err != nil {
		return err
	}
	for round := range b.rounds + 1 {
		before := ownTime()
		r, err := audit.Verify(dir, audit.VerifyOptions{PublicKey: j.PublicKey()})
		if err != nil || r.Verdict != audit.VerdictClean {
			return fmt.Errorf("the journal is %s: %v %w", r.Verdict, r.Problems, err)
		}
		b.results.add("verify", inAgent, round, ownTime()-before)
	}
	return nil
}

// ownTime is what this process has had of the CPUs.
func ownTime() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u) // fails for an address that can't be written only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
