package liblxc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/session/stream"
)

// wait returns how the command ended, once all it wrote is in the spool.
func (h *holder) wait() stream.Exit {
	if h.failed != "" {
		h.died()
		return stream.Exit{Kind: stream.FailedToRun, Code: 125, Message: h.failed + reasons(h.LogFile)}
	}
	if h.pid == 0 {
		h.readers.Wait() // the console closes with its container
		h.died()
		return stream.Exit{Kind: stream.Exited}
	}
	var status unix.WaitStatus
	for {
		// The process stays a zombie, and its pid its own, until it is reaped under the mutex:
		// no signal can reach a stranger.
		err := unix.Waitid(unix.P_PID, h.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	h.mu.Lock()
	unix.Wait4(h.pid, &status, 0, nil)
	h.dead = true
	h.cond.Broadcast()
	h.mu.Unlock()
	h.logOut()
	h.readers.Wait()
	return h.exitOf(status)
}

// logOut has the keeper tell the container that the login is over. It may hang in what the container
// did to its files, so nobody waits for it but who buries it.
func (h *holder) logOut() {
	if h.keep < 0 {
		return
	}
	unix.Close(h.keep)
	h.keep = -1
	if h.keeper > 0 {
		go unix.Wait4(h.keeper, nil, 0, nil)
	}
}

func (h *holder) died() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = true
	h.cond.Broadcast()
}

// exitOf reads the last words of a command that never ran; exec closes the pipe without any.
func (h *holder) exitOf(status unix.WaitStatus) stream.Exit {
	words := make([]byte, 512)
	if n, _ := unix.Read(h.report, words); n > 0 {
		return stream.Exit{Kind: stream.FailedToRun, Code: int(words[0]), Message: string(words[1:n])}
	}
	if status.Signaled() {
		s := int(status.Signal())
		return stream.Exit{Kind: stream.Signalled, Code: 128 + s, Signal: s}
	}
	return stream.Exit{Kind: stream.Exited, Code: status.ExitStatus()}
}

// settle makes recording and outcome durable. Clients have been told how the command ended before:
// they need not wait for the disk, the agent does.
func (h *holder) settle(exit stream.Exit) {
	sum := h.record.close(exit.Code)
	h.mu.Lock()
	o := stream.Outcome{ID: h.ID, Session: h.Session, EndedAt: time.Now().UTC(), Exit: exit,
		Stdin: h.input.given, Output: h.bytes, Lost: h.lost,
		SHA256: sum.SHA256, Recorded: sum.Size, Truncated: sum.Truncated}
	if h.ended != nil {
		o.EndedBy, o.Reason = h.ended.By, h.ended.Reason
	}
	h.mu.Unlock()
	if err := writeJSON(h.path(".exit"), o, true); err != nil {
		fmt.Fprintf(os.Stderr, "outcome: %v\n", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settled = true
	h.cond.Broadcast()
}

// kill ends the session and every process of it.
func (h *holder) kill(f stream.Frame) error {
	var k stream.Kill
	if err := f.Decode(&k); err != nil {
		return err
	}
	h.end(&k)
	return nil
}

// end kills all of the session for the first reason given. The mutex is held.
func (h *holder) end(k *stream.Kill) {
	if h.ended == nil {
		h.ended = k
	}
	killCgroup(h.cgroup)
	h.hangUp()
	if h.pid != 0 && !h.dead {
		unix.Kill(-h.pid, unix.SIGKILL)
		unix.Kill(h.pid, unix.SIGKILL)
	}
	h.cond.Broadcast()
}

// hangUp lets go of a console, which has no process whose end would end the session.
func (h *holder) hangUp() {
	if h.pid == 0 && h.terminal != nil {
		h.terminal.SetReadDeadline(time.Unix(1, 0))
	}
}

// killCgroup kills all processes of a cgroup. cgroup.kill (Linux 5.14) misses none, however fast
// they fork; before it, the list is killed until it is empty.
func killCgroup(path string) {
	if path == "" || os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0) == nil {
		return
	}
	for range 100 {
		raw, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil || len(raw) == 0 {
			return
		}
		for _, line := range strings.Fields(string(raw)) {
			if pid, err := strconv.Atoi(line); err == nil && pid > 1 {
				unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
}

// reasons quotes the errors liblxc has logged since this process began.
func reasons(logFile string) string {
	f, err := os.Open(logFile)
	if err != nil {
		return ""
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil && end > 64<<10 {
		f.Seek(-64<<10, io.SeekEnd)
	} else {
		f.Seek(0, io.SeekStart)
	}
	since := time.Now().Add(-30 * time.Second).UTC().Format("20060102150405")
	var found []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if text, ok := logError(s.Text(), since); ok {
			found = append(found, text)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return " (" + strings.Join(found[max(0, len(found)-3):], "; ") + ")"
}

// logError takes the message out of a line like
// "lxc web1 20261120101530.123 ERROR    attach - ../src/lxc/attach.c:lxc_attach:1500 - No such process - text".
func logError(line, since string) (string, bool) {
	head, text, ok := strings.Cut(line, " ERROR ")
	if !ok {
		return "", false
	}
	fields := strings.Fields(head)
	if len(fields) == 0 || fields[len(fields)-1] < since {
		return "", false
	}
	if parts := strings.SplitN(text, " - ", 3); len(parts) == 3 {
		text = parts[2]
	}
	return strings.TrimSpace(text), true
}
