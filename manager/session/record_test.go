package session_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"lodge/inventory"
	"lodge/manager/session"
	"lodge/manager/session/recording"
	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

func TestStrictestRule(t *testing.T) {
	type layer = map[string]string
	for _, tc := range []struct {
		name              string
		own, project      layer
		host              layer
		records, required bool
		recipients        string
	}{
		{"nothing set", nil, nil, nil, true, false, ""},
		{"off on the host", nil, nil, layer{"session.record": "off"}, false, false, ""},
		{"off on the host, on for the project", nil, layer{"session.record": "output"}, layer{"session.record": "off"}, true, false, ""},
		{"off on the container", layer{"session.record": "off"}, nil, nil, false, false, ""},
		{"off on the container, required by the host", layer{"session.record": "off", "session.record.required": "false"}, nil,
			layer{"session.record.required": "true"}, true, true, ""},
		{"all keys together", layer{"session.record.recipients": "a"}, layer{"session.record.recipients": "b"},
			layer{"session.record.recipients": "c"}, true, false, "a b c"},
	} {
		records, required, recipients := session.RulesOf(tc.own, tc.project, tc.host)
		if records != tc.records || required != tc.required || recipients != tc.recipients {
			t.Errorf("%s: %v, %v, %q", tc.name, records, required, recipients)
		}
	}
}

// recorded runs a command to its end and returns its outcome and recording.
func recorded(t *testing.T, w *sessiontest.World, s *session.Service, command ...string) (inventory.Record, []byte) {
	t.Helper()
	opened, err := s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{Command: command}))
	sessiontest.Must(t, err)
	r := w.Outcome(t, opened.ID)
	if r.Recording == nil {
		t.Fatalf("no recording: %+v", r)
	}
	file, err := os.ReadFile(filepath.Join(w.Box.Root, "sessions", r.Recording.File))
	sessiontest.Must(t, err)
	if sum := sha256.Sum256(file); r.Recording.SHA256 != hex.EncodeToString(sum[:]) || r.Recording.Bytes != int64(len(file)) {
		t.Errorf("the record is of another recording: %+v", r.Recording)
	}
	return r, file
}

func TestRecording(t *testing.T) {
	w, s := newWorld(t)
	me, err := age.GenerateX25519Identity()
	sessiontest.Must(t, err)
	_, file := recorded(t, w, s, "sh", "-c", "echo said; echo loud >&2")
	r, err := recording.NewReader(bytes.NewReader(file))
	sessiontest.Must(t, err)
	if r.Meta.Command != "sh -c echo said; echo loud >&2" || r.Meta.Container != w.Box.Name {
		t.Errorf("%+v", r.Meta)
	}
	got := map[recording.Kind]string{}
	f, err := r.Next()
	for ; err == nil; f, err = r.Next() {
		got[f.Kind] += string(f.Data)
	}
	if err != io.EOF || got[recording.KindOutput] != "said\n" || got[recording.KindError] != "loud\n" || got[recording.KindExit] != "0" {
		t.Errorf("%v, %v", got, err)
	}
	w.Host = map[string]string{"session.record.recipients": me.Recipient().String()}
	_, file = recorded(t, w, s, "echo", "hush")
	if _, err := recording.NewReader(bytes.NewReader(file)); !errors.Is(err, recording.ErrSealed) {
		t.Errorf("sealed: %v", err)
	}
	if _, err := recording.NewReader(bytes.NewReader(file), me); err != nil {
		t.Errorf("for its reader: %v", err)
	}
	w.Host = map[string]string{"session.record.recipients": "age1broken"}
	if _, err := s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{Command: []string{"true"}})); err == nil {
		t.Error("a session whose recording can't be sealed begins")
	}
}

// TestUnrecorded: without room a session goes on unrecorded, or where it has to be recorded not at all.
func TestUnrecorded(t *testing.T) {
	w, s := newWorld(t)
	sessiontest.Must(t, os.WriteFile(filepath.Join(w.Box.Root, "sessions", "old.rec"), make([]byte, 2<<20), 0o600))
	w.Host = map[string]string{"session.record.room": "1MiB"}
	opened, err := s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{Command: []string{"true"}}))
	sessiontest.Must(t, err)
	if r := w.Outcome(t, opened.ID); r.Recording != nil || r.Result != "exited 0" {
		t.Errorf("%+v", r)
	}
	w.Host["session.record.required"] = "true"
	_, err = s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{Command: []string{"true"}}))
	if !errors.Is(err, inventory.ErrUnavailable) || !strings.Contains(err.Error(), "has to be") {
		t.Errorf("required: %v", err)
	}
	if r := w.Records(); !strings.HasPrefix(r[len(r)-1].Result, "failed: ") {
		t.Errorf("the refusal is not on record: %+v", r[len(r)-1])
	}
}

// TestHolderLost: of a session whose holder was killed the journal has what was recorded so far.
func TestHolderLost(t *testing.T) {
	w, s := newWorld(t)
	opened, err := s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{
		Command: []string{"sh", "-c", "echo seen; sleep 600"}}))
	sessiontest.Must(t, err)
	path := filepath.Join(w.Box.Root, "sessions", string(opened.ID)+".rec")
	for range 500 {
		if shown(path) == "seen\n" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	sessiontest.Must(t, syscall.Kill(opened.HolderPID, syscall.SIGKILL))
	r := w.Outcome(t, opened.ID)
	file, err := os.ReadFile(path)
	sessiontest.Must(t, err)
	sum := sha256.Sum256(file)
	if r.Result != "holder lost" || r.Recording == nil || r.Recording.SHA256 != hex.EncodeToString(sum[:]) || shown(path) != "seen\n" {
		t.Errorf("%+v %+v, shown %q", r, r.Recording, shown(path))
	}
}

// TestRootsOfLiveSession: while a session goes on its recording is on record up to where it was, also
// with the next agent, and a change of what was shown early is found.
func TestRootsOfLiveSession(t *testing.T) {
	w, _ := newWorld(t)
	s, _, err := w.Service()
	sessiontest.Must(t, err)
	s.SetRootEvery(time.Millisecond)
	opened, err := s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{Stdin: true, TTY: true,
		Command: []string{"sh", "-c", "stty -echo; echo early; read x; echo late; read x"}}))
	sessiontest.Must(t, err)
	path := filepath.Join(w.Box.Root, "sessions", string(opened.ID)+".rec")
	first := root(t, w, path, "early\r\n")
	conn, err := s.Attach(sessiontest.Caller("ann"), opened.ID, false)
	sessiontest.Must(t, err)
	keys, typed := io.Pipe()
	go stream.Dial(conn).Run(context.Background(), keys, io.Discard, nil, nil)
	typed.Write([]byte("\n"))
	second := root(t, w, path, "late\r\n")
	if first.Bytes >= second.Bytes || !first.Part || !second.Part {
		t.Errorf("%+v, then %+v", first, second)
	}
	next, _, err := w.Service() // as after a restart: nothing is shown any more, and it is told
	sessiontest.Must(t, err)
	before := len(w.Records())
	sessiontest.Must(t, next.Adopt(context.Background()))
	for range 3000 {
		if len(w.Records()) > before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if r := w.Records(); len(r) == before || r[len(r)-1].Recording == nil || *r[len(r)-1].Recording != second {
		t.Errorf("the next agent put %+v on record", r[before:])
	}
	sessiontest.Must(t, s.End(sessiontest.Caller("ann"), opened.ID))
}

// root waits until a part of a recording is on record that shows text, and checks it.
func root(t *testing.T, w *sessiontest.World, path, text string) inventory.Recording {
	t.Helper()
	for range 3000 {
		all := w.Records()
		if r := all[len(all)-1]; r.Verb == "session.recording.root" && r.Recording != nil {
			file, err := os.ReadFile(path)
			sessiontest.Must(t, err)
			part := file[:r.Recording.Bytes]
			sum := sha256.Sum256(part)
			if r.Recording.SHA256 != hex.EncodeToString(sum[:]) || r.Principal.Name != "ann" || string(r.Session) == "" {
				t.Fatalf("%+v %+v", r, r.Recording)
			}
			if strings.Contains(shownIn(bytes.NewReader(part)), text) {
				return *r.Recording
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no root of %q is on record: %+v", text, w.Records())
	return inventory.Recording{}
}

// shown is the output in a recording, as far as it goes.
func shown(path string) (text string) {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return shownIn(f)
}

func shownIn(f io.Reader) (text string) {
	r, err := recording.NewReader(f)
	for err == nil {
		var next recording.Frame
		if next, err = r.Next(); err == nil && next.Kind == recording.KindOutput {
			text += string(next.Data)
		}
	}
	return text
}

func TestExpire(t *testing.T) {
	w, s := newWorld(t)
	r, _ := recorded(t, w, s, "true")
	old := filepath.Join(w.Box.Root, "sessions", r.Recording.File)
	at := time.Now().AddDate(0, 0, -8)
	sessiontest.Must(t, os.Chtimes(old, at, at))
	second, _ := recorded(t, w, s, "true")
	w.Host = map[string]string{"session.record.keep": "7"}
	sessiontest.Must(t, s.Expire(context.Background()))
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(filepath.Join(w.Box.Root, "sessions", second.Recording.File)); err != nil {
		t.Errorf("the new one: %v", err)
	}
	all := w.Records()
	if last := all[len(all)-1]; last.Verb != "session.recording.expire" || !strings.Contains(string(last.Detail), r.Recording.File) {
		t.Errorf("on record is %+v", last)
	}
}

// TestLimits: a session in which nothing happens ends, and one that lasts too long; both are told before.
func TestLimits(t *testing.T) {
	w, s := newWorld(t)
	for _, tc := range []struct{ setting, command, why string }{
		{"session.idle", "echo here; sleep 600", "nothing was typed or shown for 2s"},
		{"session.total", "while :; do echo here; sleep 0.2; done", "it may last 2s"},
	} {
		t.Run(tc.setting, func(t *testing.T) {
			w.Host = map[string]string{tc.setting: "2s"}
			opened, err := s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{
				Command: []string{"sh", "-c", tc.command}, TTY: true}))
			sessiontest.Must(t, err)
			conn, err := s.Attach(sessiontest.Caller("ann"), opened.ID, false)
			sessiontest.Must(t, err)
			var out, told bytes.Buffer
			_, err = stream.Dial(conn).Run(context.Background(), nil, &out, &told, nil)
			sessiontest.Must(t, err)
			r := w.Outcome(t, opened.ID)
			if r.Result != "ended by lodge" || !strings.Contains(string(r.Detail), tc.why) || !strings.Contains(out.String(), "here") {
				t.Errorf("%s %s", r.Result, r.Detail)
			}
			if got := told.String(); !strings.Contains(got, "this session ends in ") || !strings.Contains(got, "is ended: "+tc.why) {
				t.Errorf("told %q", got)
			}
		})
	}
}
