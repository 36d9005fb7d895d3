package anchor_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/manager/anchor"
	"lodge/manager/anchor/rsyslogtest"
)

// A bench has a real journal and an anchor service that comes and goes.
type bench struct {
	t       *testing.T
	dir     string
	journal *audit.Journal
	kept    memory
	mu      sync.Mutex
	values  map[string]string
	config  anchor.Config
	service *anchor.Service
	stop    func()
}

const patience = 60 * time.Second

func newBench(t *testing.T, values map[string]string) *bench {
	t.Helper()
	b := &bench{t: t, dir: filepath.Join(t.TempDir(), "audit"), kept: memory{values: map[string]string{}}, values: values, stop: func() {}}
	b.open()
	b.config = anchor.Config{Store: &b.kept, Settings: hostSettings{b}, Host: "host", Root: b.dir, Log: slog.New(slog.DiscardHandler),
		Now: time.Now, Settle: 300 * time.Millisecond, Retry: 20 * time.Millisecond}
	t.Cleanup(func() { b.stop(); b.journal.Close() })
	return b
}

func (b *bench) open() {
	b.t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	var err error
	b.journal, err = audit.Open(b.dir, audit.Options{Key: ed25519.NewKeyFromSeed(seed), SegmentSize: 32 << 10, Log: slog.New(slog.DiscardHandler)})
	b.must(err)
}

// run starts the service; stop ends it as a crash does: nothing is said to it.
func (b *bench) run() {
	b.config.Journal = journal{b.journal}
	b.service = anchor.New(b.config)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func(s *anchor.Service) { defer close(done); s.Run(ctx) }(b.service)
	b.stop = func() { cancel(); <-done }
}

func (b *bench) write(n int) {
	b.t.Helper()
	for range n {
		b.add(inventory.Record{Kind: inventory.RecordFact, Verb: "test.fact", Principal: inventory.Principal{Name: "dev1"}, Result: "done"})
	}
}

func (b *bench) add(r inventory.Record) {
	b.t.Helper()
	_, err := b.journal.Append(context.Background(), r)
	b.must(err)
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) status() anchor.Status {
	all, err := b.service.Anchors(context.Background())
	if err != nil || len(all) != 1 {
		return anchor.Status{}
	}
	return all[0]
}

func (b *bench) await(what string, is func(anchor.Status) bool) {
	b.t.Helper()
	for until := time.Now().Add(patience); !is(b.status()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			b.t.Fatalf("%s: %+v", what, b.status())
		}
	}
}

// arrived waits until the sink has everything and a checkpoint of it.
func (b *bench) arrived() {
	b.t.Helper()
	size := b.journal.Latest().Size
	b.await("everything arrived", func(s anchor.Status) bool { return s.Arrived == size && s.Checkpoint.Size == size && s.Error == "" })
}

// written waits until the collector has written down the newest record and its checkpoint: what arrived at
// its host it may not have read yet.
func (b *bench) written(c *rsyslogtest.Collector) {
	b.t.Helper()
	size := b.journal.Latest().Size
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		all := strings.Join(c.Lines("full.log"), "\n")
		if strings.Contains(all, fmt.Sprintf(` seq="%d" `, size)) && strings.Contains(all, fmt.Sprintf(` size="%d"] {`, size)) {
			return
		}
		if time.Now().After(until) {
			b.t.Fatalf("the collector has not written record %d", size)
		}
	}
}

// records reads what a collector has and compares each record with the journal's bytes. It returns how
// often each number is there.
func (b *bench) records(c *rsyslogtest.Collector) map[int64]int {
	b.t.Helper()
	there, seen, parts := map[int64]string{}, map[int64]int{}, map[int64]string{}
	entries, err := b.journal.Records(context.Background(), audit.Query{})
	b.must(err)
	for _, e := range entries {
		there[e.Seq] = string(e.Payload)
	}
	for _, line := range c.Lines("full.log") {
		seq, err := strconv.ParseInt(param(line, "seq"), 10, 64)
		if err != nil {
			continue // a checkpoint, or a line that a crash of the collector cut off
		}
		_, text, _ := strings.Cut(line, `"] `)
		if part := param(line, "part"); part != "" {
			if part == "1" {
				parts[seq] = ""
			}
			if parts[seq] += text; part != param(line, "parts") {
				continue
			}
			text = parts[seq]
		}
		if text != there[seq] {
			b.t.Errorf("record %d arrived as %.200s\nand is %.200s", seq, text, there[seq])
		}
		seen[seq]++
	}
	return seen
}

func param(line, name string) string {
	_, rest, _ := strings.Cut(line, " "+name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// complete reports numbers that a collector lacks.
func (b *bench) complete(c *rsyslogtest.Collector) (twice int) {
	b.t.Helper()
	seen := b.records(c)
	for seq := int64(1); seq <= b.journal.Latest().Size; seq++ {
		if seen[seq] == 0 {
			b.t.Errorf("record %d never arrived", seq)
		}
		if seen[seq] > 1 {
			twice++
		}
	}
	return twice
}

type hostSettings struct{ *bench }

func (h hostSettings) HostSettings(context.Context) (map[string]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.values, nil
}

// set changes the settings, as config.set does.
func (b *bench) set(values map[string]string) {
	b.mu.Lock()
	b.values = values
	b.mu.Unlock()
	b.service.Apply(values)
}

// memory is a store of cursors.
type memory struct {
	mu     sync.Mutex
	values map[string]string
}

func (m *memory) Meta(_ context.Context, key string) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	return v, ok, nil
}

func (m *memory) SetMeta(ctx context.Context, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.values[key] = value
	return nil
}

// journal shows the journal as the agent does.
type journal struct{ *audit.Journal }

func (j journal) Next(ctx context.Context, than anchor.Checkpoint) (anchor.Checkpoint, error) {
	old := audit.Checkpoint{Size: than.Size, At: than.At}
	if !than.At.IsZero() {
		old.Origin = j.Origin()
	}
	c, err := j.NextCheckpoint(ctx, old)
	return anchor.Checkpoint{Size: c.Size, At: c.At, Note: string(c.Note)}, err
}

func (j journal) Records(ctx context.Context, after int64, limit int) ([]anchor.Record, error) {
	entries, err := j.Journal.Records(ctx, audit.Query{AfterSeq: after, Limit: limit})
	out := make([]anchor.Record, len(entries))
	for i, e := range entries {
		out[i] = anchor.Record{Seq: e.Seq, Hash: e.Hash.String(), Payload: e.Payload, Record: e.Record}
	}
	return out, err
}

func (j journal) Sealed(after int64) (out []anchor.Segment) {
	for _, s := range j.Finished(after) {
		out = append(out, anchor.Segment{Name: s.Name, First: s.First, Last: s.Last, Open: func() (io.ReadCloser, error) { return j.Read(s) }})
	}
	return out
}

// hostile is a record whose every text means something to somebody.
func hostile() inventory.Record {
	odd := "a]b\"c\\d\n<13>1 - - [x@1 seq=\"7\"] é\u202e\x1b[31m"
	long, _ := json.Marshal(strings.Repeat("ä<1>", 60_000))
	return inventory.Record{Kind: inventory.RecordRefusal, Verb: "container.create", Name: odd, Subject: odd, Reason: odd,
		Principal: inventory.Principal{Name: odd}, Detail: long}
}

// shortened is a copy of the journal whose end was cut off after record n, file checkpoint and all.
func (b *bench) shortened(t *testing.T, copyAt func()) string {
	t.Helper()
	old := filepath.Join(t.TempDir(), "old")
	b.must(os.CopyFS(old, os.DirFS(b.dir)))
	copyAt()
	return old
}

func verify(t *testing.T, dir string, o audit.VerifyOptions) audit.Report {
	t.Helper()
	r, err := audit.Verify(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func kept(t *testing.T, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	notes, err := audit.KeptCheckpoints(f)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", path, err))
	}
	return notes
}
