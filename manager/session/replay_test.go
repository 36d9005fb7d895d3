package session_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/session/recording"
	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

// A screen is as much of a terminal as vi and top of busybox ask for: moves, erasing, attributes.
type screen struct {
	cells         [][]rune
	row, column   int
	unknown       []string
	rows, columns int
}

func newScreen(columns, rows int) *screen {
	s := &screen{rows: rows, columns: columns}
	for range rows {
		s.cells = append(s.cells, []rune(strings.Repeat(" ", columns)))
	}
	return s
}

func (s *screen) String() string {
	var b strings.Builder
	for _, line := range s.cells {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func (s *screen) show(text string) {
	for len(text) > 0 {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
			s.control(rest[:end], rest[end])
			text = rest[end+1:]
			continue
		}
		s.put(rune(text[0]))
		text = text[1:]
	}
}

func (s *screen) put(r rune) {
	switch r {
	case '\r':
		s.column = 0
	case '\b':
		s.column = max(s.column-1, 0)
	case '\n':
		if s.row++; s.row == s.rows {
			s.cells = append(s.cells[1:], []rune(strings.Repeat(" ", s.columns)))
			s.row--
		}
	case '\a':
	default:
		if s.column == s.columns {
			s.put('\r')
			s.put('\n')
		}
		s.cells[s.row][s.column] = r
		s.column++
	}
}

func (s *screen) control(params string, final byte) {
	numbers := strings.Split(params, ";")
	n := func(i, otherwise int) int {
		if i < len(numbers) {
			if v, err := strconv.Atoi(numbers[i]); err == nil && v > 0 {
				return v
			}
		}
		return otherwise
	}
	switch final {
	case 'H':
		s.row, s.column = min(n(0, 1), s.rows)-1, min(n(1, 1), s.columns)-1
	case 'A':
		s.row = max(s.row-n(0, 1), 0)
	case 'C':
		s.column = min(s.column+n(0, 1), s.columns-1)
	case 'J', 'K':
		from, line := s.column, s.row
		for ; line < s.rows; line++ {
			for i := from; i < s.columns; i++ {
				s.cells[line][i] = ' '
			}
			if from = 0; final == 'K' {
				break
			}
		}
	case 'm', 'r', 'h', 'l':
	default:
		s.unknown = append(s.unknown, params+string(final))
	}
}

// shows runs the program in a terminal of 80 by 24, types keys once it has shown each cue, and returns
// all a client was shown and the recording.
func shows(t *testing.T, program []string, steps [][2]string) (live []byte, path string) {
	t.Helper()
	w, s := newWorld(t)
	opened, err := s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{Command: program,
		TTY: true, Stdin: true, Columns: 80, Rows: 24, Term: "xterm"}))
	sessiontest.Must(t, err)
	conn, err := s.Attach(sessiontest.Caller("ann"), opened.ID, false)
	sessiontest.Must(t, err)
	client := stream.Dial(conn)
	client.Size = stream.Size{Columns: 80, Rows: 24}
	keys, typed := io.Pipe()
	shown, screenful := io.Pipe()
	var all bytes.Buffer
	go func() {
		client.Run(context.Background(), keys, io.MultiWriter(screenful, &all), nil, nil)
		screenful.Close()
	}()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for n, err := 0, error(nil); err == nil; n, err = shown.Read(buf) {
		seen.Write(buf[:n])
		if len(steps) > 0 && strings.Contains(seen.String(), steps[0][0]) {
			keys := steps[0][1]
			steps = steps[1:]
			seen.Reset()
			go typed.Write([]byte(keys))
		}
	}
	w.Outcome(t, opened.ID)
	return all.Bytes(), filepath.Join(w.Box.Root, "sessions", string(opened.ID)+".rec")
}

// TestReplayLooksRight: what full-screen programs showed is replayed byte by byte, and what the filter
// leaves of it draws the same screen.
func TestReplayLooksRight(t *testing.T) {
	for _, tc := range []struct {
		name    string
		program []string
		steps   [][2]string // what is waited for, what is typed then
		want    string      // on the screen before the end
	}{
		{"vi", []string{"sh", "-c", "seq 1 40 > f; vi f"}, [][2]string{{"23", "3Gcwhello\x1b"}, {"hello", ":q!\r"}}, "hello"},
		{"top", []string{"top", "-d", "1"}, [][2]string{{"COMMAND", ""}, {"COMMAND", "q"}}, "COMMAND"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			live, path := shows(t, tc.program, tc.steps)
			replayed := []byte(shown(path))
			if !bytes.Equal(live, replayed) || len(live) == 0 {
				t.Fatalf("the client was shown %d bytes, the recording has %d", len(live), len(replayed))
			}
			var passed bytes.Buffer
			recording.NewFilter(&passed).Write(replayed)
			one, other := newScreen(80, 24), newScreen(80, 24)
			one.show(withoutQuestions(string(live)))
			other.show(passed.String())
			if one.String() != other.String() || !strings.Contains(other.String(), tc.want) {
				t.Errorf("live it is\n%s\nand replayed\n%s", one, other)
			}
			if len(other.unknown) > 0 {
				t.Errorf("the model of a terminal lacks %q", other.unknown)
			}
		})
	}
}

// withoutQuestions takes out what busybox asks the terminal for: its size, by where the cursor ends up.
func withoutQuestions(text string) string { return strings.ReplaceAll(text, "\x1b[6n", "") }
