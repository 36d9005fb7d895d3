package liblxc

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"lodge/manager/session/stream"
)

// A recording is what the session showed, as an asciicast of version 2: a header line, then one
// line per event of seconds, kind and text. It is bounded: at the limit a last event says so. A nil
// recording records nothing. Input is not recorded: it holds passwords.
type recording struct {
	mu        sync.Mutex
	file      *os.File
	buf       *bufio.Writer
	sum       hash.Hash
	began     time.Time
	size, max int64
	rest      []byte // of a character that was cut between two reads
	truncated bool
}

type castHeader struct {
	Version   int               `json:"version"`
	Width     int               `json:"width"`
	Height    int               `json:"height"`
	Timestamp int64             `json:"timestamp"`
	Command   string            `json:"command,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
}

func newRecording(e entered) *recording {
	if e.Recording == "" {
		return nil
	}
	f, err := os.OpenFile(e.Recording, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		fmt.Fprintf(os.Stderr, "recording: %v\n", err)
		return nil
	}
	r := &recording{file: f, sum: sha256.New(), began: time.Now(), max: e.MaxRecord}
	r.buf = bufio.NewWriterSize(io.MultiWriter(f, r.sum), 32<<10)
	head := castHeader{Version: 2, Width: e.Columns, Height: e.Rows, Timestamp: r.began.Unix(),
		Command: e.Title}
	if head.Width == 0 || head.Height == 0 {
		head.Width, head.Height = 80, 24
	}
	r.line(head)
	r.buf.Flush()
	return r
}

// output records what the session showed.
func (r *recording) output(data []byte) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.truncated {
		return
	}
	text := append(r.rest, data...)
	whole := len(text) - cutCharacter(text)
	r.event("o", string(text[:whole]))
	r.rest = append([]byte(nil), text[whole:]...)
	if len(data) < 4096 {
		r.buf.Flush() // a person at work: who replays it meanwhile wants to see it
	}
}

func (r *recording) resize(s stream.Size) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event("r", fmt.Sprintf("%dx%d", s.Columns, s.Rows))
}

func (r *recording) event(kind, text string) {
	if r.truncated || text == "" {
		return
	}
	if r.size+int64(len(text)) > r.max {
		r.truncated = true
		text = "\r\n[the recording reached its limit]\r\n"
	}
	r.line([]any{time.Since(r.began).Seconds(), kind, text})
}

func (r *recording) line(v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		return
	}
	n, _ := r.buf.Write(append(raw, '\n'))
	r.size += int64(n)
}

// close makes the recording durable and returns its SHA-256 in hexadecimal.
func (r *recording) close() (sum string, truncated bool) {
	if r == nil {
		return "", false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event("o", string(r.rest))
	r.buf.Flush()
	if err := r.file.Sync(); err != nil {
		fmt.Fprintf(os.Stderr, "recording: %v\n", err)
	}
	r.file.Close()
	return hex.EncodeToString(r.sum.Sum(nil)), r.truncated
}

// cutCharacter returns how many bytes at the end of text are the beginning of a character.
func cutCharacter(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if c := text[len(text)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
