package unprivileged

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// maxMessage bounds a message: a zone of 100 000 containers is some 20 MB.
const maxMessage = 64 << 20

// Send writes a message: its length in 4 bytes, big endian, then JSON. Files travel with the length, so that
// the kernel hands them over with its first byte (unix(7): a stream read stops at ancillary data).
func Send(c *net.UnixConn, v any, files []*os.File) error {
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
	// In one call, as each wakes the receiver; of a long message the kernel takes a part.
	all := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	n, _, err := c.WriteMsgUnix(all, rights, nil)
	if err == nil && n < len(all) {
		_, err = c.Write(all[n:])
	}
	return err
}

// Receive reads one message into v and returns the files that came with it.
func Receive(c *net.UnixConn, v any) (files []*os.File, err error) {
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
			CloseAll(files)
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

// CloseAll closes files that came with a message nobody wanted.
func CloseAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
