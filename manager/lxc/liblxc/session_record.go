package liblxc

import (
	"fmt"
	"os"

	"lodge/manager/session/recording"
	"lodge/manager/session/stream"
)

// A record is the recording of a session under way; nil records nothing. Input is in none: it holds
// passwords.
type record struct {
	file   *os.File
	writer *recording.Writer
}

// newRecord begins the recording, before the command does. Where one is required and can't be made no
// command begins, and where it can't be gone on with the session ends: nobody is in there unseen.
func (h *holder) newRecord() *record {
	if h.Record == nil || h.failed != "" {
		return nil
	}
	r, err := h.openRecord()
	if err == nil {
		return r
	}
	fmt.Fprintf(os.Stderr, "recording: session %s: %v\n", h.ID, err)
	if h.Record.Required {
		h.turnAway(fmt.Sprintf("the session can't be recorded, and has to be: %v", err))
	}
	return nil
}

func (h *holder) openRecord() (*record, error) {
	o := h.Record
	f, err := os.OpenFile(o.Path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	options := recording.Options{Limit: o.Max, Failed: h.unrecorded, Meta: recording.Meta{Session: h.ID,
		Container: o.Name, Began: o.Began, Columns: h.Columns, Rows: h.Rows, Term: o.Term, TTY: h.tty, Command: o.Command}}
	if o.Every > 0 {
		options.Root, options.Every = h.setRoot, o.Every
	}
	if len(o.Secret) > 0 {
		options.Key = &recording.Key{Secret: o.Secret, Sealed: o.Sealed}
	}
	w, err := recording.NewWriter(f, options)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &record{f, w}, nil
}

// setRoot has the agent told of the recording so far, at once or when one comes.
func (h *holder) setRoot(r recording.Root) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Bytes > h.root.Bytes {
		h.root = r
		h.cond.Broadcast()
	}
}

// unrecorded says that what is shown can't be kept, and ends a session that must be.
func (h *holder) unrecorded(cause error) {
	fmt.Fprintf(os.Stderr, "recording: session %s: %v\n", h.ID, cause)
	if !h.Record.Required {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end(&stream.Kill{By: "lodge", Reason: fmt.Sprintf("it can't be recorded: %v", cause)})
}

func (r *record) output(t stream.Type, data []byte) {
	if r == nil {
		return
	}
	kind := recording.KindOutput
	if t == stream.TypeStderr {
		kind = recording.KindError
	}
	r.writer.Output(kind, data)
}

func (r *record) resize(s stream.Size) {
	if r != nil {
		r.writer.Resize(int(s.Columns), int(s.Rows))
	}
}

// close makes the recording durable and sums it up.
func (r *record) close(code int) recording.Summary {
	if r == nil {
		return recording.Summary{}
	}
	r.writer.Exit(code)
	sum, err := r.writer.Close()
	if err == nil {
		err = r.file.Sync()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "recording: %v\n", err)
	}
	r.file.Close()
	return sum
}
