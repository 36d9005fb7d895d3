package anchor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"lodge/inventory"
)

// drop writes to a folder of another machine: each file once, under a name of its own, made durable
// before it counts. Every journal has its own folder in it, by the UUID of its origin.
//
// A crash within a file leaves a part of it, which stays as it is; the whole one gets a name with one more
// number at its end.
type drop struct {
	journal Journal
	dir     string
	last    int64 // the last record that lies there, in a segment or a file of records
}

const (
	checkpointSuffix = ".checkpoint"
	recordsSuffix    = ".records"
	// maxRecords is after how many bytes a file of records ends.
	maxRecords = 4 << 20
	// mostTries bounds the names of one file: so many crashes within it is no crash any more.
	mostTries = 100
)

func (s *Service) openDrop(_ context.Context, folder string, c *cursor) (sink, error) {
	apart, err := isApart(folder, s.Root)
	if err != nil {
		return nil, err
	}
	if c.Apart && !apart {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"%s was on another disk than the journal and now is not; mount it again", folder)
	}
	c.Apart = apart
	dir := filepath.Join(folder, path.Base(s.Journal.Origin()))
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	last := max(c.Seq, c.Checkpoint.Size)
	if c.Ahead > 0 { // records have got the numbers of others that lie there
		last = c.Seq
	}
	return &drop{s.Journal, dir, last}, syncFolder(folder)
}

// isApart reports whether the folder is on another file system than the agent's root.
func isApart(folder, root string) (bool, error) {
	var a, b syscall.Stat_t
	if err := syscall.Stat(folder, &a); err != nil {
		return false, &fs.PathError{Op: "stat", Path: folder, Err: err}
	}
	if err := syscall.Stat(root, &b); err != nil {
		return false, &fs.PathError{Op: "stat", Path: root, Err: err}
	}
	return a.Dev != b.Dev, nil
}

// forward copies the next finished segment.
func (d *drop) forward(ctx context.Context, after int64) (first, last int64, err error) {
	sealed := d.journal.Sealed(after)
	if len(sealed) == 0 {
		return after, after, nil
	}
	next := sealed[0]
	in, err := next.Open()
	if err != nil {
		return after, after, err
	}
	defer in.Close()
	text, err := io.ReadAll(in) // a segment has some megabytes
	if err == nil {
		err = d.put(next.Name, text)
	}
	if err != nil {
		return after, after, err
	}
	d.last = max(d.last, next.Last)
	return max(next.First, after+1), next.Last, ctx.Err()
}

// anchor writes the records that no file there has yet, a line for each, and then the checkpoint. A
// segment may take months to be finished.
func (d *drop) anchor(ctx context.Context, c Checkpoint) error {
	for d.last < c.Size {
		var text []byte
		first, last := int64(0), d.last
		for last < c.Size && len(text) < maxRecords {
			records, err := d.journal.Records(ctx, last, batch)
			if err != nil {
				return err
			}
			if len(records) == 0 || records[0].Seq > c.Size { // they were archived, in segments that are counted
				last = c.Size
				break
			}
			for _, r := range records[:min(int64(len(records)), c.Size-records[0].Seq+1)] {
				text = append(append(text, r.Payload...), '\n')
				last = r.Seq
			}
			first = cmp.Or(first, records[0].Seq)
		}
		if len(text) > 0 {
			if err := d.put(fmt.Sprintf("%019d-%019d%s", first, last, recordsSuffix), text); err != nil {
				return err
			}
		}
		d.last = last
	}
	name := fmt.Sprintf("%019d-%s%s", c.Size, c.At.UTC().Format("20060102T150405.000000000Z"), checkpointSuffix)
	return d.put(name, []byte(c.Note))
}

// put makes a file that wasn't there, or finds it there whole.
func (d *drop) put(name string, text []byte) error {
	for n := 1; n <= mostTries; n++ {
		target := filepath.Join(d.dir, name)
		if n > 1 {
			target = fmt.Sprintf("%s.%d", target, n)
		}
		err := write(target, text)
		if err == nil {
			return syncFolder(d.dir)
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if there, err := os.ReadFile(target); err == nil && bytes.Equal(there, text) {
			return errors.Join(syncFile(target), syncFolder(d.dir))
		}
	}
	return inventory.Errorf(inventory.ErrState, "%s in %s is there %d times and never whole", name, d.dir, mostTries)
}

func write(target string, text []byte) error {
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o440)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncFolder makes names durable. Some network file systems can't, and their names are durable already.
func syncFolder(dir string) error {
	err := syncFile(dir)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

func (d *drop) close() {}

// newestDropped reads the newest checkpoint in the folder of a journal.
func newestDropped(folder, origin string) [][]byte {
	dir := filepath.Join(folder, path.Base(origin))
	entries, err := os.ReadDir(dir) // sorted by name, that is by size and time
	if err != nil {
		return nil
	}
	for _, e := range slices.Backward(entries) {
		if strings.Contains(e.Name(), checkpointSuffix) {
			if text, err := readNote(filepath.Join(dir, e.Name())); err == nil && bytes.Contains(text, []byte("\n\n")) {
				return [][]byte{text}
			}
		}
	}
	return nil
}

// maxNote is far more than a checkpoint has: others can write to the folder.
const maxNote = 16 << 10

func readNote(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxNote))
}
