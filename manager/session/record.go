package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/session/recording"
	"lodge/manager/session/stream"
)

// recordingSuffix is that of recordings below ROOT/sessions.
const recordingSuffix = ".rec"

func (s *Service) recordingPath(id inventory.SessionID) string {
	return filepath.Join(s.cast, string(id)+recordingSuffix)
}

// govern has what the settings say of a session hold for its holder.
func (s *Service) govern(ctx context.Context, h *held, a inventory.SessionArgs, to *stream.Spec) error {
	r, err := s.rules(ctx, h.container)
	if err != nil {
		return err
	}
	to.Login = loginOf(r.login, h.row)
	to.Tail.Idle, to.Tail.Total = int(math.Ceil(r.idle.Seconds())), int(math.Ceil(r.total.Seconds()))
	to.Tail.Record, err = s.newRecording(r, h, a)
	return err
}

// loginWait is how long a session may wait for the container's programs to hear of it: a hung one, or
// one that was planted, keeps nobody out.
const loginWait = 2 * time.Second

// loginOf is what the container's own programs are told of a session, nil for nothing. On a console
// they ask for themselves who it is.
func loginOf(rule string, row inventory.Session) *stream.Login {
	if rule == loginOff || row.Kind == inventory.SessionConsole || rule == loginTerminal && !row.TTY {
		return nil
	}
	login := &stream.Login{Who: row.Principal.Name, Wait: loginWait}
	if from, err := netip.ParseAddr(row.Principal.From); err == nil {
		login.From = from.Unmap().String()
	}
	return login
}

// newRecording makes the empty file of a recording, and says how the holder is to fill it; nil where
// none is made. An error where one has to be and can't.
func (s *Service) newRecording(r rules, h *held, a inventory.SessionArgs) (*stream.Record, error) {
	// What an SFTP server says is the files themselves.
	if !r.record || h.row.Kind == inventory.SessionSFTP {
		return nil, nil
	}
	key, err := recording.NewKey(r.recipients)
	if err != nil { // it would be open to whoever it was to be sealed from
		return nil, inventory.Errorf(inventory.ErrState, "the session can't be recorded: %s: %v", SettingRecipients, err)
	}
	path := s.recordingPath(h.row.ID)
	err = s.makeRoom(r.room)
	if err == nil {
		err = touch(path)
	}
	if err != nil && r.required {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "the session can't be recorded, and has to be: %w", err)
	}
	if err != nil {
		s.Log.Error("session goes unrecorded", "session", h.row.ID, "container", h.row.Name, "error", err)
		return nil, nil
	}
	record := &stream.Record{Path: path, Max: r.max, Required: r.required, Every: s.rootEvery, Began: h.row.StartedAt,
		Name: h.row.Name, Term: a.Term, Command: strings.Join(a.Command, " ")}
	if !a.TTY {
		record.Max = min(record.Max, pipeRecord)
	}
	if key != nil {
		record.Secret, record.Sealed = key.Secret, key.Sealed
	}
	return record, nil
}

// rootEvery is how often a session that shows something has the hash of its recording put on record, so
// how much of one that goes on, or is cut off with its host, can be changed unnoticed. A session somebody
// works in all day takes 480 records, of some 600 bytes each.
const rootEvery = time.Minute

// verbRoot names the record of what a recording has come to while its session goes on.
const verbRoot = "session.recording.root"

// recordRoot puts on record what is recorded of a session so far.
func (s *Service) recordRoot(h *held, f stream.Frame) {
	var root recording.Root
	err := f.Decode(&root)
	if err == nil {
		_, err = s.Journal.Append(context.Background(), inventory.Record{At: s.Now(), Kind: inventory.RecordFact, Verb: verbRoot,
			Principal: h.row.Principal, Subject: "container:" + string(h.row.Container), Name: h.row.Name, Project: h.row.Project,
			Session: h.row.ID, Recording: &inventory.Recording{File: filepath.Base(s.recordingPath(h.row.ID)),
				SHA256: root.SHA256, Bytes: root.Bytes, Part: true}})
	}
	if err != nil {
		s.Log.Error("the recording's root is not on record", "session", h.row.ID, "error", err)
	}
}

// pipeRecord bounds the recording of a session without a terminal, in bytes: compressing what is no text
// goes at 130 MB/s, and is not to slow down who moves gigabytes.
const pipeRecord = 16 << 20

// touch makes an empty file. Its name is durable with its content, once the session has ended.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		f.Close()
	}
	return err
}

// leastFree are bytes that recordings leave on a disk that fills up by others.
const leastFree = 256 << 20

// makeRoom refuses when recordings take what they may, or the disk is nearly full.
func (s *Service) makeRoom(room int64) error {
	used, err := s.room.used(s.cast, s.Now())
	if err != nil {
		return err
	}
	if used >= room {
		return inventory.Errorf(inventory.ErrUnavailable,
			"recordings take %s, and %s lets them take %s", inventory.Bytes(used), SettingRoom, inventory.Bytes(room))
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(s.cast, &disk); err != nil {
		return err
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < leastFree {
		return inventory.Errorf(inventory.ErrUnavailable, "the disk that recordings lie on has %s left", inventory.Bytes(free))
	}
	return nil
}

// lookAgain is how old a sum of sizes may be: looking is slow where there are many recordings.
const lookAgain = 10 * time.Second

// A roomMeter knows what a folder takes.
type roomMeter struct {
	mu    sync.Mutex // guards what follows
	bytes int64
	at    time.Time
}

func (m *roomMeter) used(dir string, now time.Time) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if age := now.Sub(m.at); age >= 0 && age < lookAgain {
		return m.bytes, nil
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	m.bytes, m.at = 0, now
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			m.bytes += info.Size()
		}
	}
	return m.bytes, nil
}

// Recording returns the recording of a session as it is on the disk; of one that goes on, what was
// written so far. Whether the caller may have it is for the door to ask the gate (session.recording).
func (s *Service) Recording(ctx context.Context, id inventory.SessionID) (io.ReadCloser, error) {
	rows, err := s.Store.Sessions(ctx, inventory.SessionQuery{ID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0].ID != id { // the id becomes a file's name
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no session %s", id)
	}
	f, err := os.Open(s.recordingPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, inventory.Errorf(inventory.ErrNotFound, "session %s has no recording: none was made, or its time was up", id)
	}
	return f, err
}

// recorded is what the journal keeps of a session's recording; nil where there is none. Of a holder
// that was killed it is what it had written.
func (s *Service) recorded(id inventory.SessionID, o stream.Outcome) *inventory.Recording {
	path := s.recordingPath(id)
	of := &inventory.Recording{File: filepath.Base(path), SHA256: o.SHA256, Bytes: o.Recorded}
	if of.SHA256 != "" {
		return of
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sum := sha256.New()
	if err == nil {
		of.Bytes, err = io.Copy(sum, f)
		f.Close()
	}
	if err != nil {
		s.Log.Error("recording can't be read", "session", id, "error", err)
	}
	of.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return of
}
