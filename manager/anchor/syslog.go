package anchor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// dialTimeout bounds name, connection and handshake.
	dialTimeout = 15 * time.Second
	// stallTimeout is how long a collector may take nothing.
	stallTimeout = 30 * time.Second
	// drainPoll is how often the kernel is asked whether the other host acknowledged all bytes.
	drainPoll = 10 * time.Millisecond
)

// syslog is one connection to a collector.
//
// Syslog has no acknowledgements. Bytes count as arrived when the other host's TCP acknowledged them
// and the connection was still whole some seconds later: a collector that was killed, or that refuses
// our certificate, has told by then. What can be lost is what a collector's host took into its socket
// buffer, and the collector didn't read for longer than that before it died. Numbers without a gap
// show it there.
type syslog struct {
	journal Journal
	host    string
	raw     *net.TCPConn
	conn    net.Conn
	out     *bufio.Writer
}

func (s *Service) dialSyslog(ctx context.Context, values map[string]string, broken func(error)) (sink, error) {
	secure, host, address, err := dialAddress(values[SettingSyslog])
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := net.Dialer{KeepAlive: 15 * time.Second}
	plain, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	raw := plain.(*net.TCPConn)
	conn := net.Conn(raw)
	if secure {
		if conn, err = secured(ctx, raw, host, values); err != nil {
			raw.Close()
			return nil, fmt.Errorf("the collector %s is not trusted: %w", address, err)
		}
	}
	go watch(conn, broken)
	return &syslog{journal: s.Journal, host: s.Host, raw: raw, conn: conn, out: bufio.NewWriterSize(stalling{conn}, 64<<10)}, nil
}

func secured(ctx context.Context, raw net.Conn, host string, values map[string]string) (net.Conn, error) {
	config, err := clientTLS(host, values)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	return conn, conn.HandshakeContext(ctx)
}

// watch reads, which is how one hears of the end: collectors say nothing.
func watch(conn net.Conn, broken func(error)) {
	_, err := io.Copy(io.Discard, conn)
	if err == nil {
		err = errors.New("the collector closed the connection")
	}
	broken(err)
}

// stalling gives up a collector that takes nothing.
type stalling struct{ net.Conn }

func (s stalling) Write(p []byte) (int, error) {
	s.SetWriteDeadline(time.Now().Add(stallTimeout))
	return s.Conn.Write(p)
}

func (s *syslog) forward(ctx context.Context, after int64) (first, last int64, err error) {
	records, err := s.journal.Records(ctx, after, batch)
	if err != nil || len(records) == 0 {
		return after, after, err
	}
	for i := range records {
		for _, m := range recordMessages(s.host, s.journal.Origin(), &records[i]) {
			if err := s.write(m); err != nil {
				return after, after, err
			}
		}
	}
	return records[0].Seq, records[len(records)-1].Seq, s.drain(ctx)
}

func (s *syslog) anchor(ctx context.Context, c Checkpoint) error {
	if err := s.write(checkpointMessage(s.host, s.journal.Origin(), c)); err != nil {
		return err
	}
	return s.drain(ctx)
}

// write frames a message by its length (RFC 6587, 3.4.1; RFC 5425, 4.3).
func (s *syslog) write(message []byte) error {
	s.out.WriteString(strconv.Itoa(len(message)))
	s.out.WriteByte(' ')
	_, err := s.out.Write(message) // it remembers earlier errors
	return err
}

// drain waits until the other host's TCP has acknowledged every byte.
func (s *syslog) drain(ctx context.Context) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	left, since := -1, time.Now()
	for {
		n, err := unacknowledged(s.raw)
		if err != nil || n == 0 {
			return err
		}
		if n != left {
			left, since = n, time.Now()
		}
		if time.Since(since) > stallTimeout {
			return fmt.Errorf("the collector takes nothing: %d bytes wait for it", n)
		}
		select {
		case <-time.After(drainPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unacknowledged is the number of bytes that were sent and not acknowledged (tcp(7), SIOCOUTQ).
func unacknowledged(conn syscall.Conn) (n int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	err2 := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return n, errors.Join(err, err2)
}

func (s *syslog) close() { s.conn.Close() }
