package audit

import (
	"context"

	"lodge/inventory"
)

// Follow sends every record after the given seq, those on disk first and then each new one as soon
// as it is durable. The channel is closed when ctx ends, when the journal is closed and everything
// was sent, or when the journal turns out to be damaged, which is logged.
//
// A follower that reads slowly holds nobody up and misses nothing: it is fed from the files.
func (j *Journal) Follow(ctx context.Context, after int64) <-chan Entry {
	out := make(chan Entry)
	go func() {
		defer close(out)
		f := follower{journal: j, after: after, out: out}
		for {
			grown, closed := j.watch()
			if err := f.catchUp(ctx); err != nil {
				if ctx.Err() == nil {
					j.log.Error("an audit follower stops", "error", err)
				}
				return
			}
			if closed {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-grown:
			case <-j.done:
			}
		}
	}()
	return out
}

// watch returns a channel that is closed with the next commit, and whether there will be none.
func (j *Journal) watch() (grown <-chan struct{}, closed bool) {
	select {
	case <-j.done:
		closed = true
	default:
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.grown, closed
}

// follower remembers where in which segment it is, so that nothing is read twice.
type follower struct {
	journal *Journal
	after   int64
	segment int64 // first seq of the segment that was read last
	offset  int64
	out     chan<- Entry
}

func (f *follower) catchUp(ctx context.Context) error {
	q := Query{AfterSeq: f.after}
	for _, s := range f.journal.segments(q) {
		if s.first != f.segment {
			f.segment, f.offset = s.first, 0
		}
		var err error
		f.offset, err = f.journal.read(ctx, s, f.offset, q, func(e Entry) error {
			select {
			case f.out <- e:
				f.after = e.Seq
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// After returns records numbered above after, oldest first, at most limit, and the newest checkpoint,
// which covers them. It waits for a record until ctx ends. Whoever takes records elsewhere keeps the
// number of the last one that arrived there as its cursor, and asks again from that: each arrives at
// least once, whatever crashes.
func (j *Journal) After(ctx context.Context, after int64, limit int) ([]Entry, Checkpoint, error) {
	return j.after(ctx, Entry{Seq: after}, limit)
}

// after is After for who has the last record still, or else its number alone.
func (j *Journal) after(ctx context.Context, last Entry, limit int) ([]Entry, Checkpoint, error) {
	for {
		grown, closed := j.watch()
		entries, err := j.behind(ctx, last, Query{Limit: limit})
		if err != nil || len(entries) > 0 {
			return entries, j.Latest(), err
		}
		if closed {
			return nil, j.Latest(), inventory.Errorf(inventory.ErrUnavailable, "the audit journal is closed; the agent is stopping")
		}
		select {
		case <-grown:
		case <-j.done:
		case <-ctx.Done():
			return nil, Checkpoint{}, ctx.Err()
		}
	}
}

// NextCheckpoint waits for a checkpoint that is newer than the given one, be it only in time. With
// the zero checkpoint it returns the newest at once.
func (j *Journal) NextCheckpoint(ctx context.Context, than Checkpoint) (Checkpoint, error) {
	for {
		grown, closed := j.watch()
		if c := j.Latest(); c.Origin != than.Origin || c.Size != than.Size || !c.At.Equal(than.At) {
			return c, nil
		}
		if closed {
			return Checkpoint{}, inventory.Errorf(inventory.ErrUnavailable, "the audit journal is closed; the agent is stopping")
		}
		select {
		case <-grown:
		case <-j.done:
		case <-ctx.Done():
			return Checkpoint{}, ctx.Err()
		}
	}
}
