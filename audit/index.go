package audit

import (
	"context"
	"errors"
	"sync"
	"time"

	"lodge/inventory"
)

// An Index says where records are, by what they are looked for. It is a convenience: it follows the
// journal, can be made anew from it, and Verify never asks it.
type Index interface {
	// RecordCursor returns which journal it is of and the last record in it.
	RecordCursor(ctx context.Context) (origin string, seq int64, err error)
	ClearRecords(ctx context.Context) error
	// IndexRecords adds records that follow the last one.
	IndexRecords(ctx context.Context, origin string, records []inventory.PlacedRecord) error
	// FindRecords returns the newest that a query selects, newest first.
	FindRecords(ctx context.Context, q inventory.RecordQuery) ([]inventory.PlacedRecord, error)
}

// Indexed is a journal with an index.
type Indexed struct {
	*Journal
	index Index

	mu    sync.Mutex
	seq   int64         // indexed up to here
	moved chan struct{} // closed and replaced when seq moves
	again chan struct{} // holds a token when the index is to be made anew
	asked chan struct{} // holds a token when somebody waits for the newest records
}

// NewIndexed joins the two; Follow keeps the index.
func NewIndexed(j *Journal, i Index) *Indexed {
	return &Indexed{Journal: j, index: i, moved: make(chan struct{}), again: make(chan struct{}, 1), asked: make(chan struct{}, 1)}
}

const (
	// indexBatch is how many records one transaction adds.
	indexBatch = 1000
	// indexRest is the pause between two transactions, so that records of one moment share one. It ends
	// when somebody searches.
	indexRest = 100 * time.Millisecond
	// indexRetry is the pause after an error: a full disk may have room again.
	indexRetry = 5 * time.Second
	// indexPatience is how long a search waits for records that were just written.
	indexPatience = 5 * time.Second
)

// KeepIndex brings the index up to the journal and keeps it there until ctx ends or the journal is
// closed. An index of another journal, or of records this one has not, is made anew.
func (x *Indexed) KeepIndex(ctx context.Context) {
	for ctx.Err() == nil {
		err := x.keep(ctx)
		select {
		case <-x.done:
			return
		default:
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		x.log.Error("the index of the audit journal stands still; trying again", "error", err)
		select {
		case <-time.After(indexRetry):
		case <-ctx.Done():
		}
	}
}

func (x *Indexed) keep(ctx context.Context) error {
	origin, seq, err := x.index.RecordCursor(ctx)
	if err != nil {
		return err
	}
	if origin != x.origin && origin != "" || seq > x.Latest().Size {
		if err := x.index.ClearRecords(ctx); err != nil {
			return err
		}
		seq = 0
	}
	x.move(seq)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	anew := make(chan struct{})
	go func() {
		select {
		case <-x.again:
			close(anew)
			stop()
		case <-ctx.Done():
		}
	}()
	for last := (Entry{Seq: seq}); ; {
		if last, err = x.step(ctx, last); err == nil {
			x.rest(ctx, last.Seq)
			continue
		}
		select {
		case <-anew:
			return x.index.ClearRecords(context.WithoutCancel(ctx))
		default:
			return err
		}
	}
}

// step adds the records after the last and returns the new last.
func (x *Indexed) step(ctx context.Context, last Entry) (Entry, error) {
	entries, _, err := x.after(ctx, last, indexBatch)
	if err != nil {
		return last, err
	}
	batch := make([]inventory.PlacedRecord, len(entries))
	for i, e := range entries {
		batch[i] = inventory.PlacedRecord{Seq: e.Seq, Segment: e.Segment, Offset: e.Offset, Record: e.Record}
	}
	if err := x.index.IndexRecords(ctx, x.origin, batch); err != nil {
		return last, err
	}
	last = entries[len(entries)-1]
	x.move(last.Seq)
	return last, nil
}

// rest waits for more records, unless there is as much to do as one transaction takes.
func (x *Indexed) rest(ctx context.Context, seq int64) {
	if x.Latest().Size-seq >= indexBatch {
		return
	}
	select {
	case <-x.asked:
	case <-time.After(indexRest):
	case <-x.done:
	case <-ctx.Done():
	}
}

func (x *Indexed) move(seq int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seq = seq
	close(x.moved)
	x.moved = make(chan struct{})
}

// Reindex makes the index anew, in the background.
func (x *Indexed) Reindex() {
	select {
	case x.again <- struct{}{}:
	default:
	}
}

// Find returns the newest records that the query selects, newest first. What was acknowledged before
// the call is found. Each is read from the journal: one that is not what the index says is ErrState.
func (x *Indexed) Find(ctx context.Context, q Query) ([]Entry, error) {
	if err := x.await(ctx, x.Latest().Size); err != nil {
		return nil, err
	}
	places, err := x.index.FindRecords(ctx, q)
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, p := range places {
		e, err := x.At(p)
		if err != nil {
			return nil, err
		}
		if !q.Matches(e.Seq, &e.Record) {
			return nil, misplaced(p.Seq, errors.New("it is not what was looked for"))
		}
		out = append(out, e)
	}
	return out, nil
}

// await waits until the index has the record.
func (x *Indexed) await(ctx context.Context, seq int64) error {
	ctx, stop := context.WithTimeout(ctx, indexPatience)
	defer stop()
	for {
		x.mu.Lock()
		at, moved := x.seq, x.moved
		x.mu.Unlock()
		if at >= seq {
			return nil
		}
		select {
		case x.asked <- struct{}{}:
		default:
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return inventory.Errorf(inventory.ErrUnavailable,
				"the index of the audit journal is at record %d of %d; ask again in a while", at, seq)
		}
	}
}
