package anchor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A sink is open towards its target.
type sink interface {
	// forward hands over some of what follows record after, and returns the first and the last record
	// that were handed over: last is after itself when there is nothing.
	forward(ctx context.Context, after int64) (first, last int64, err error)
	// anchor hands over a checkpoint.
	anchor(ctx context.Context, c Checkpoint) error
	close()
}

// A plan is a sink as the settings want it.
type plan struct {
	sink, target string
	settings     string // all that it depends on
	interval     time.Duration
	settle       time.Duration
	// open reaches out to the target; broken is called when it turns out to be gone. It may change
	// what the cursor says of the target.
	open func(ctx context.Context, c *cursor, broken func(error)) (sink, error)
	// kept returns what checkpoints the target itself shows; nil where it can't be asked.
	kept func() [][]byte
	// note says what else has to be known of the target; nil for nothing.
	note func() string
}

func (p *plan) key() string {
	return p.sink + " " + p.target + " " + p.settings + " " + p.interval.String()
}

// forwarder brings one sink up to the journal and keeps it there.
type forwarder struct {
	service *Service
	plan    plan
	ctx     context.Context
	cancel  context.CancelFunc
	hurry   atomic.Bool  // checkpoints go at once
	last    atomic.Int64 // records that the last checkpoint that was handed over vouches for

	mu     sync.Mutex
	status Status
	busy   time.Time // since when the target is asked for something; zero when it isn't

	cursor cursor
	marks  []mark
	sent   cursor // what was handed over on this connection
	told   time.Time
}

// A mark is what was handed over, and when it counts as arrived.
type mark struct {
	cursor
	due time.Time
}

// Status returns a copy.
func (f *forwarder) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.status
	if st.Sink == "drop" { // it gets records with each checkpoint, and once more with their segment
		st.Sent, st.Arrived = max(st.Sent, st.Checkpoint.Size), max(st.Arrived, st.Checkpoint.Size)
	}
	if waits := time.Since(f.busy); st.Error == "" && !f.busy.IsZero() && waits > f.service.Stall {
		st.Error, st.Since = fmt.Sprintf("it has taken nothing for %s", waits.Round(time.Second)), f.service.Now().Add(-waits)
	}
	return st
}

// asking notes that the target is asked for something, and returns what notes that it answered.
func (f *forwarder) asking() (answered func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = time.Now()
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.busy = time.Time{}
	}
}

func (f *forwarder) note(change func(*Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
}

// run connects and forwards, again and again, until ctx ends.
func (f *forwarder) run() {
	ctx, pause := f.ctx, f.service.Retry
	for ctx.Err() == nil {
		arrived := f.cursor.Seq
		err := f.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.cursor.Seq > arrived {
			pause = f.service.Retry
		}
		f.failed(err)
		sleep(ctx, pause)
		pause = min(2*pause, maxRetry)
	}
}

// retirement is how long a target that was taken out of the settings may take what says so.
const retirement = 10 * time.Second

// retire ends forwarding once the target has a checkpoint that covers the outcome of the change which
// took it out of the settings.
func (f *forwarder) retire() {
	defer f.cancel()
	f.hurry.Store(true)
	ctx, cancel := context.WithTimeout(f.ctx, retirement)
	defer cancel()
	now, err := f.service.Journal.Next(ctx, Checkpoint{})
	for err == nil && ctx.Err() == nil && f.last.Load() <= now.Size {
		sleep(ctx, drainPoll)
	}
}

func (f *forwarder) failed(err error) {
	first := false
	f.note(func(st *Status) {
		st.Connected = false
		if first = st.Error == ""; first {
			st.Since = f.service.Now()
		}
		st.Error = err.Error()
	})
	if first {
		f.service.Log.Error("the audit journal is not taken elsewhere; trying again", "anchor", f.plan.sink, "target", f.plan.target, "error", err)
	}
}

// session is one connection. It ends with an error, if only ctx's.
func (f *forwarder) session(ctx context.Context) error {
	if err := f.load(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answered := f.asking()
	out, err := f.plan.open(ctx, &f.cursor, cancel)
	note := ""
	if err == nil && f.plan.note != nil {
		note = f.plan.note()
	}
	answered()
	if err != nil {
		return err
	}
	defer out.close()
	f.note(func(st *Status) { st.Connected, st.Note = true, note })
	f.marks, f.sent, f.told = nil, f.cursor, time.Time{}
	var newest Checkpoint
	for {
		if err := f.handOver(ctx, out, newest); err != nil {
			return cause(ctx, err)
		}
		if newest, err = f.await(ctx, newest); err != nil {
			return cause(ctx, err)
		}
	}
}

// cause prefers why the connection was given up to what that led to.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && !errors.Is(why, context.Canceled) {
		return why
	}
	return err
}

// handOver sends what there is up to the checkpoint, and the checkpoint when it is time.
func (f *forwarder) handOver(ctx context.Context, out sink, c Checkpoint) error {
	for f.sent.Seq < c.Size {
		answered := f.asking()
		first, last, err := out.forward(ctx, f.sent.Seq)
		answered()
		if err != nil {
			return err
		}
		if last == f.sent.Seq {
			break
		}
		f.sent.Missed += first - f.sent.Seq - 1
		f.sent.Seq = last
		if err := f.mark(ctx); err != nil {
			return err
		}
	}
	if c.Size > 0 && !c.At.Equal(f.sent.Checkpoint.At) && (f.hurry.Load() || time.Since(f.told) >= f.plan.interval) {
		answered := f.asking()
		err := out.anchor(ctx, c)
		answered()
		if err != nil {
			return err
		}
		f.sent.Checkpoint, f.told = c, time.Now()
		f.last.Store(c.Size)
		return f.mark(ctx)
	}
	return f.settle(ctx)
}

// mark notes what was handed over.
func (f *forwarder) mark(ctx context.Context) error {
	f.marks = append(f.marks, mark{f.sent, time.Now().Add(f.plan.settle)})
	f.note(func(st *Status) { st.Sent = f.sent.Seq })
	return f.settle(ctx)
}

// settle moves the cursor behind what counts as arrived by now.
func (f *forwarder) settle(ctx context.Context) error {
	n := 0
	for n < len(f.marks) && !time.Now().Before(f.marks[n].due) && ctx.Err() == nil {
		n++
	}
	if n == 0 {
		return nil
	}
	next := f.marks[n-1].cursor
	f.marks = f.marks[n:]
	if err := f.save(ctx, next); err != nil {
		return err
	}
	f.note(func(st *Status) {
		if st.Error != "" {
			f.service.Log.Info("the audit journal is taken elsewhere again", "anchor", f.plan.sink, "target", f.plan.target)
		}
		st.Error, st.Since = "", time.Time{}
	})
	return nil
}

// await returns the newest checkpoint when there is a newer one, or when something else is due.
func (f *forwarder) await(ctx context.Context, than Checkpoint) (Checkpoint, error) {
	var due time.Time
	if len(f.marks) > 0 {
		due = f.marks[0].due
	}
	if later := f.told.Add(f.plan.interval); than.Size > 0 && !than.At.Equal(f.sent.Checkpoint.At) && (due.IsZero() || later.Before(due)) {
		due = later
	}
	wait := ctx
	if !due.IsZero() {
		var cancel context.CancelFunc
		wait, cancel = context.WithDeadline(ctx, due)
		defer cancel()
	}
	c, err := f.service.Journal.Next(wait, than)
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return than, nil
	}
	return c, err
}

func (f *forwarder) cursorKey() string { return "audit.anchor." + f.plan.sink + " " + f.plan.target }

// load reads the cursor. One that is ahead of the journal it belongs to is an alarm that stays: the
// sink holds records that are gone here.
func (f *forwarder) load(ctx context.Context) error {
	text, ok, err := f.service.Store.Meta(ctx, f.cursorKey())
	if err != nil {
		return err
	}
	newest, err := f.service.Journal.Next(ctx, Checkpoint{})
	if err != nil {
		return err
	}
	c := cursor{}
	if ok {
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return fmt.Errorf("read how far %s is: %w", f.plan.sink, err)
		}
	}
	if c.Origin != f.service.Journal.Origin() {
		c = cursor{Origin: f.service.Journal.Origin(), Apart: c.Apart}
	}
	if c.Seq > newest.Size || c.Checkpoint.Size > newest.Size {
		c.Ahead = max(c.Ahead, c.Seq, c.Checkpoint.Size)
		if c.Checkpoint.Size > newest.Size {
			c.Lost = c.Checkpoint
		}
		c.Seq = min(c.Seq, newest.Size)
		f.service.Log.Error("records of the audit journal are gone: what left the host goes further than the journal does; "+
			"verify it with a checkpoint from there", "anchor", f.plan.sink, "target", f.plan.target, "there", c.Ahead, "here", newest.Size)
	}
	f.take(c)
	return nil
}

// take makes it the cursor and shows it.
func (f *forwarder) take(c cursor) {
	f.cursor = c
	f.note(func(st *Status) {
		st.Arrived, st.Sent, st.Checkpoint, st.Missed = c.Seq, max(st.Sent, c.Seq), c.Checkpoint, c.Missed
		st.Ahead, st.Lost = c.Ahead, c.Lost
	})
}

func (f *forwarder) save(ctx context.Context, c cursor) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := f.service.Store.SetMeta(ctx, f.cursorKey(), string(text)); err != nil {
		return err
	}
	f.take(c)
	return nil
}
