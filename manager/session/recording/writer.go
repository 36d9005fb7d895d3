package recording

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Options say how a recording is written.
type Options struct {
	Meta  Meta
	Key   *Key  // nil: anybody who has the file can read it
	Limit int64 // bytes of output that are kept; 0 for no bound
	// Root, when set, is told what the recording has come to while it goes on: at most once in Every,
	// and within it of all that was written. What it is told of is on the disk.
	Root  func(Root)
	Every time.Duration
	// Failed, when set, is called once, on a goroutine of its own, when what was shown could not be written.
	Failed func(error)
}

// A Writer writes one recording. Who shows something waits for the disk only while more than two
// blocks are under way. Safe for concurrent use.
type Writer struct {
	mu     sync.Mutex // guards what follows
	block  []byte     // frames that belong to the next block
	last   time.Time  // of the last frame
	due    *time.Timer
	end    trailer
	limit  int64
	closed bool

	full, empty chan []byte
	done        chan struct{}

	// Only the goroutine that writes uses these, and Close after it.
	file    io.Writer
	sum     [sha256.Size]byte
	whole   hash.Hash
	size    int64
	number  uint64
	sealer  *sealer
	encoder *zstd.Encoder
	failed  func(error)
	err     error
	root    func(Root)
	every   time.Duration
}

// A Root proves the beginning of a recording: nothing in it can be changed without another sum.
type Root struct {
	Bytes  int64  `json:"bytes"`  // from the begin of the file
	SHA256 string `json:"sha256"` // hexadecimal, of these
}

// flushAfter is how long something shown may be in memory alone.
const flushAfter = time.Second

// NewWriter begins a recording. What it wrote so far can be read once it returned.
func NewWriter(file io.Writer, o Options) (*Writer, error) {
	w := &Writer{file: file, whole: sha256.New(), limit: o.Limit, last: o.Meta.Began, root: o.Root, every: o.Every,
		full: make(chan []byte, 1), empty: make(chan []byte, 2), done: make(chan struct{})}
	h := header{Version: 1, Began: o.Meta.Began}
	if o.Key != nil {
		var err error
		if w.sealer, err = newSealer(o.Key.Secret); err != nil {
			return nil, err
		}
		h.Key = o.Key.Sealed
	}
	var err error
	w.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(blockFull))
	if err != nil {
		return nil, err
	}
	w.write([]byte(Name))
	w.writeJSON(blockHeader, h)
	meta, _ := json.Marshal(o.Meta) // strings and numbers can't fail
	w.end.Frames++
	w.writeFrames(appendFrame(nil, 0, KindMeta, meta[:min(len(meta), maxData)]))
	if w.err != nil {
		return nil, w.err
	}
	w.failed = o.Failed // up to here the caller is told
	w.empty <- nil
	w.empty <- nil
	go w.run()
	return w, nil
}

// Output keeps what was shown; k is KindOutput or KindError.
func (w *Writer) Output(k Kind, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(data) > 0 && !w.end.Truncated {
		n := min(len(data), maxData)
		if w.limit > 0 && w.end.Bytes+int64(n) > w.limit {
			w.end.Truncated = true
			w.add(KindMark, []byte("the recording reached its limit: what follows was shown and is not in it"))
			return
		}
		w.end.Bytes += int64(n)
		w.add(k, data[:n])
		data = data[n:]
	}
}

// Resize keeps a terminal's new size.
func (w *Writer) Resize(columns, rows int) { w.put(KindResize, fmt.Sprintf("%dx%d", columns, rows)) }

// Mark keeps a remark.
func (w *Writer) Mark(text string) { w.put(KindMark, text) }

// Exit keeps how the command ended.
func (w *Writer) Exit(code int) { w.put(KindExit, fmt.Sprint(code)) }

func (w *Writer) put(k Kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(k, []byte(text))
}

// add puts a frame into the block. The mutex is held.
func (w *Writer) add(k Kind, data []byte) {
	if w.closed {
		return
	}
	now := time.Now()
	w.block = appendFrame(w.block, now.Sub(w.last), k, data)
	w.last = now
	w.end.Frames++
	if len(w.block) >= blockFull {
		w.hand()
	} else if w.due == nil {
		w.due = time.AfterFunc(flushAfter, w.Flush)
	}
}

// hand gives the block to the goroutine that writes. The mutex is held, so those who show something
// wait here while the disk is slow.
func (w *Writer) hand() {
	if w.due != nil {
		w.due.Stop()
		w.due = nil
	}
	if len(w.block) == 0 || w.closed {
		return
	}
	next := <-w.empty
	w.full <- w.block
	w.block = next[:0]
}

// Flush has all that was shown written soon.
func (w *Writer) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hand()
}

func (w *Writer) run() {
	defer close(w.done)
	var due <-chan time.Time
	for {
		select {
		case block, more := <-w.full:
			if !more {
				return
			}
			w.writeFrames(block)
			w.empty <- block
			if due == nil && w.root != nil {
				due = time.After(w.every)
			}
		case <-due:
			due = nil
			w.tellRoot()
		}
	}
}

// tellRoot waits for the disk on a goroutine of its own: who shows something does not.
func (w *Writer) tellRoot() {
	if w.err != nil {
		return
	}
	root := Root{Bytes: w.size, SHA256: hex.EncodeToString(w.whole.Sum(nil))}
	go func() {
		if f, ok := w.file.(interface{ Sync() error }); ok && f.Sync() != nil {
			return // it failed, or the recording has ended and has its whole sum
		}
		w.root(root)
	}()
}

func (w *Writer) writeFrames(frames []byte) {
	w.number++
	w.writeBlock(blockFrames, w.sealer.seal(w.number, w.encoder.EncodeAll(frames, nil)))
}

func (w *Writer) writeJSON(kind byte, v any) {
	raw, _ := json.Marshal(v) // strings, numbers and times can't fail
	w.writeBlock(kind, raw)
}

func (w *Writer) writeBlock(kind byte, payload []byte) {
	w.sum = sumOf(w.sum, kind, payload)
	b := make([]byte, 0, blockHead+len(payload))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, w.sum[:]...)
	w.write(append(b, payload...))
}

// write adds bytes to the file; after an error none any more.
func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.file.Write(b)
	w.whole.Write(b[:n])
	w.size += int64(n)
	if err != nil {
		w.err = err
		if w.failed != nil {
			go w.failed(err)
		}
	}
}

// A Summary says of a whole recording what the audit journal keeps.
type Summary struct {
	SHA256    string // hexadecimal, of the file
	Size      int64  // of the file
	Truncated bool   // the session showed more than is in it
}

// Close ends the recording. The file is the caller's to sync and close.
func (w *Writer) Close() (Summary, error) {
	w.mu.Lock()
	w.hand()
	already := w.closed
	w.closed = true
	w.mu.Unlock()
	if !already {
		close(w.full)
	}
	<-w.done
	if !already {
		w.writeJSON(blockEnd, w.end)
		w.encoder.Close()
	}
	return Summary{SHA256: hex.EncodeToString(w.whole.Sum(nil)), Size: w.size, Truncated: w.end.Truncated || w.err != nil}, w.err
}
