package role

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Requests of the agent. Every one is answered by exactly one response, in order.
const (
	opHello    = "hello"    // who are you
	opZone     = "zone"     // answer from this zone and these leases from now on
	opSockets  = "sockets"  // serve the attached sockets and those in Keep, drop the others
	opHandover = "handover" // send me your sockets, and go on serving
	opQuit     = "quit"     // stop answering and exit
)

// maxMessage bounds a message: 100 000 containers are some 20 MB.
const maxMessage = 64 << 20

type request struct {
	Op      string          `json:"op"`
	Zone    json.RawMessage `json:"zone,omitempty"`    // a State
	Sockets []string        `json:"sockets,omitempty"` // names of the attached files, in order
	Keep    []string        `json:"keep,omitempty"`
}

type response struct {
	Error   string   `json:"error,omitempty"`
	Info    *Info    `json:"info,omitempty"`
	Sockets []string `json:"sockets,omitempty"` // names of the attached files, in order
}

// Info is what a role says of itself.
type Info struct {
	Version string   `json:"version"`
	PID     int      `json:"pid"`
	UID     int      `json:"uid"`
	Seccomp bool     `json:"seccomp"`
	Serial  uint32   `json:"serial"`
	Sockets []string `json:"sockets"`
}

// A message is its length in 4 bytes, big endian, then JSON. Files travel with the length, so that
// the kernel hands them over with its first byte (unix(7): a stream read stops at ancillary data).
func send(c *net.UnixConn, v any, files []*os.File) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		fds, err := descriptors(files)
		if err != nil {
			return err
		}
		rights = unix.UnixRights(fds...)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	if _, _, err := c.WriteMsgUnix(head, rights, nil); err != nil {
		return err
	}
	_, err = c.Write(body)
	return err
}

// receive reads one message into v and returns the files that came with it.
func receive(c *net.UnixConn, v any) (files []*os.File, err error) {
	head, oob := make([]byte, 4), make([]byte, unix.CmsgSpace(4*253)) // SCM_MAX_FD
	n, oobn, _, _, err := c.ReadMsgUnix(head, oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, err
	}
	if files, err = parseFiles(oob[:oobn]); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	if _, err := io.ReadFull(c, head[n:]); err != nil {
		return files, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > maxMessage {
		return files, fmt.Errorf("a message of %d bytes is too long", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c, body); err != nil {
		return files, err
	}
	return files, json.Unmarshal(body, v)
}

func parseFiles(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // not rights
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			unix.SetNonblock(fd, true)
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

// descriptors returns the numbers without os.File.Fd, which would make the sockets blocking: for
// every process that shares them.
func descriptors(files []*os.File) ([]int, error) {
	var fds []int
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return nil, err
		}
		if err := raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }); err != nil {
			return nil, err
		}
	}
	return fds, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
