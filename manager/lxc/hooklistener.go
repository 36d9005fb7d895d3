package lxc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// hookSocket is poked by a hook after it has written to the spool. A datagram says nothing but
// "look", so one that is lost because others wait loses nothing.
const hookSocket = "hook.sock"

// A hookListener calls a function whenever a hook has run.
type hookListener struct {
	conn *net.UnixConn
	done chan struct{}
}

func listenHooks(runDir string, look func()) (*hookListener, error) {
	dir, err := os.OpenFile(runDir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := os.Remove(filepath.Join(runDir, hookSocket)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// An address has room for 107 characters (unix(7)), a root may be deeper.
	short := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), hookSocket)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: short, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	l := &hookListener{conn: conn, done: make(chan struct{})}
	go l.loop(look)
	return l, os.Chmod(filepath.Join(runDir, hookSocket), 0o600)
}

func (l *hookListener) loop(look func()) {
	defer close(l.done)
	buf := make([]byte, 16)
	for {
		if _, err := l.conn.Read(buf); err != nil {
			return
		}
		look()
	}
}

func (l *hookListener) close() {
	l.conn.Close()
	<-l.done
}
