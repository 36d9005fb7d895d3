package session

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"os/exec"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Paths of files are the container's: no link in them leads out of its root file system. While it
// runs, lodge-lxc enters its namespaces; while it is stopped, the kernel resolves the path below
// its root (openat2(2), RESOLVE_IN_ROOT). Only regular files and folders are ever opened.

// fileTimeout bounds what has no content to carry.
const fileTimeout = 30 * time.Second

// fileAudit is what the journal sees of a file access.
type fileAudit struct {
	Path   string `json:"path"`
	Size   int64  `json:"size,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// fileReply is the first line lodge-lxc file prints.
type fileReply struct {
	Files []inventory.FileInfo `json:"files,omitempty"`
	Error string               `json:"error,omitempty"`
	Kind  string               `json:"kind,omitempty"`
}

// A fileCall is one run of lodge-lxc file.
type fileCall struct {
	s      *Service
	entry  *gate.Entry
	args   inventory.FileArgs
	cmd    *exec.Cmd
	cancel context.CancelFunc
	errors bytes.Buffer
}

// ReadFile returns a regular file and its content. The caller has to close the content; closing it
// records how much was read.
func (s *Service) ReadFile(ctx context.Context, r gate.Request) (inventory.FileInfo, io.ReadCloser, error) {
	call, err := s.fileCall(ctx, r, "read", 0)
	if err != nil {
		return inventory.FileInfo{}, nil, err
	}
	out, err := call.cmd.StdoutPipe()
	if err != nil {
		return inventory.FileInfo{}, nil, call.leave(err, fileAudit{})
	}
	if err := call.cmd.Start(); err != nil {
		return inventory.FileInfo{}, nil, call.leave(err, fileAudit{})
	}
	content := bufio.NewReaderSize(out, 64<<10)
	hung := time.AfterFunc(fileTimeout, call.cancel)
	files, err := readReply(content)
	hung.Stop()
	if err != nil || len(files) != 1 {
		call.cmd.Wait()
		return inventory.FileInfo{}, nil, call.leave(call.explain(err), fileAudit{})
	}
	return files[0], &fileContent{call: call, r: content, sum: sha256.New()}, nil
}

// fileContent is a file on its way to a reader.
type fileContent struct {
	call *fileCall
	r    io.Reader
	sum  hash.Hash
	size int64
	err  error
}

func (c *fileContent) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum.Write(b[:n])
	c.size += int64(n)
	if err != nil && c.err == nil {
		c.err = err
		if failed := c.call.cmd.Wait(); failed != nil && err == io.EOF {
			// The helper died in the middle: half a file must not look like a whole one.
			c.err = c.call.explain(failed)
		}
	}
	if c.err != nil && n == 0 {
		return 0, c.err
	}
	return n, nil
}

func (c *fileContent) Close() error {
	if c.err == nil { // left before the end
		c.call.cancel()
		c.call.cmd.Wait()
		c.err = errors.New("left before the end")
	}
	cause := c.err
	if cause == io.EOF {
		cause = nil
	}
	c.call.leave(cause, fileAudit{Size: c.size, SHA256: hex.EncodeToString(c.sum.Sum(nil))})
	return nil
}

// WriteFile puts content into a regular file, all of it or nothing: a reader inside sees the old
// file or the new one. With Directory it makes a folder and content is not read.
func (s *Service) WriteFile(ctx context.Context, r gate.Request, content io.Reader) error {
	call, err := s.fileCall(ctx, r, "write", 0)
	if err != nil {
		return err
	}
	in, err := call.cmd.StdinPipe()
	if err != nil {
		return call.leave(err, fileAudit{})
	}
	var out bytes.Buffer
	call.cmd.Stdout = &out
	if err := call.cmd.Start(); err != nil {
		return call.leave(err, fileAudit{})
	}
	sum := sha256.New()
	var size int64
	var copied error
	if !call.args.Directory {
		size, copied = writeChunks(in, io.TeeReader(content, sum))
	}
	in.Close()
	failed := call.cmd.Wait()
	_, err = readReply(&out)
	if err == nil && failed != nil {
		err = failed
	}
	var broken *contentError
	if errors.As(copied, &broken) {
		err = inventory.Errorf(inventory.ErrInvalid, "%s is left as it was: the content broke off: %v", call.args.Path, broken.err)
	}
	return call.leave(call.explain(err), fileAudit{Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))})
}

// contentError is a failure to read what should be written.
type contentError struct{ err error }

func (e *contentError) Error() string { return e.err.Error() }

// writeChunks sends content as chunks of a length (4 bytes, big endian) and data; a length of zero
// says that it is whole. Without it the helper throws away what it has.
func writeChunks(w io.Writer, content io.Reader) (size int64, err error) {
	buf := make([]byte, 4+64<<10)
	for {
		n, err := content.Read(buf[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(buf, uint32(n))
			if _, err := w.Write(buf[:4+n]); err != nil {
				return size, err
			}
			size += int64(n)
		}
		if err == io.EOF {
			_, err := w.Write([]byte{0, 0, 0, 0})
			return size, err
		}
		if err != nil {
			return size, &contentError{err}
		}
	}
}

// ListFiles returns a folder's entries by name, or the one entry of anything else. A folder of more
// than 10 000 entries is refused.
func (s *Service) ListFiles(ctx context.Context, r gate.Request) ([]inventory.FileInfo, error) {
	return s.short(ctx, r, "list")
}

// DeleteFile removes a file or link, or with Directory an empty folder.
func (s *Service) DeleteFile(ctx context.Context, r gate.Request) error {
	_, err := s.short(ctx, r, "delete")
	return err
}

func (s *Service) short(ctx context.Context, r gate.Request, op string) ([]inventory.FileInfo, error) {
	call, err := s.fileCall(ctx, r, op, fileTimeout)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	call.cmd.Stdout = &out
	failed := call.cmd.Run()
	files, err := readReply(&out)
	if err == nil {
		err = failed
	}
	return files, call.leave(call.explain(err), fileAudit{})
}

// fileCall passes the gate and prepares the helper.
func (s *Service) fileCall(ctx context.Context, r gate.Request, op string, limit time.Duration) (*fileCall, error) {
	call := &fileCall{s: s}
	if err := r.Decode(&call.args); err != nil {
		return nil, err
	}
	entry, err := s.Gate.Enter(ctx, r)
	if err != nil {
		return nil, err
	}
	call.entry = entry
	if limit > 0 {
		ctx, call.cancel = context.WithTimeout(ctx, limit)
	} else {
		ctx, call.cancel = context.WithCancel(ctx)
	}
	argv, err := s.fileArgv(entry.Container, op)
	if err != nil {
		return nil, call.leave(err, fileAudit{})
	}
	raw, err := json.Marshal(call.args)
	if err != nil {
		return nil, call.leave(err, fileAudit{})
	}
	request, err := memory(raw)
	if err != nil {
		return nil, call.leave(err, fileAudit{})
	}
	call.cmd = exec.CommandContext(ctx, s.Helper, argv...)
	call.cmd.Env, call.cmd.Dir, call.cmd.Stderr = fileEnv, "/", &call.errors
	call.cmd.ExtraFiles = []*os.File{request}
	call.cmd.WaitDelay = time.Second
	return call, nil
}

// fileEnv keeps the Go runtime of the helper, which begins inside the container, from reading the
// container's /proc and /sys to find out about its CPUs.
var fileEnv = []string{"GOMAXPROCS=2", "GODEBUG=containermaxprocs=0,updatemaxprocs=0"}

func (s *Service) fileArgv(c *inventory.Container, op string) ([]string, error) {
	if s.isRunning(c) {
		return []string{"file", op, "running", s.LXCPath, c.LXCName()}, nil
	}
	rootfs := s.Rootfs(c)
	if rootfs == "" {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "the root file system of %s is not there", c.Ref())
	}
	return []string{"file", op, "stopped", rootfs}, nil
}

// explain turns what the helper said into an error for people.
func (c *fileCall) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := inventory.Kind(err); ok {
		return err
	}
	text := bytes.TrimSpace(c.errors.Bytes())
	return inventory.Errorf(inventory.ErrUnavailable, "%s of %s can't be reached: %v %s", c.args.Path, c.entry.Container.Ref(), err, text)
}

// leave records how the access ended and frees what it held. It returns cause.
func (c *fileCall) leave(cause error, a fileAudit) error {
	c.cancel()
	if c.cmd != nil {
		for _, f := range c.cmd.ExtraFiles {
			f.Close()
		}
	}
	words := "done"
	if cause != nil {
		words = "failed: " + cause.Error()
	}
	a.Path = c.args.Path
	if err := c.entry.Leave(words, a); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

func readReply(r io.Reader) ([]inventory.FileInfo, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	var reply fileReply
	if err := json.Unmarshal(line, &reply); err != nil {
		return nil, err
	}
	if reply.Error == "" {
		return reply.Files, nil
	}
	if kind, ok := inventory.KindNamed(reply.Kind); ok {
		return nil, inventory.Errorf(kind.Err, "%s", reply.Error)
	}
	return nil, errors.New(reply.Error)
}

// readLine reads one line and not a byte more.
func readLine(r io.Reader) ([]byte, error) {
	b, ok := r.(interface{ ReadBytes(byte) ([]byte, error) })
	if !ok {
		b = bufio.NewReader(r)
	}
	line, err := b.ReadBytes('\n')
	if err == io.EOF && len(line) == 0 {
		return nil, errors.New("the helper said nothing")
	}
	return line, err
}
