package audit

import (
	"io"
	"os"
)

// disk is what the journal does to the file system, so that a test can cut it off at any byte.
type disk interface {
	// Open opens a file for writing, and makes it with mode 0600 when create is set.
	Open(path string, create bool) (file, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes names in a folder durable.
	SyncDir(path string) error
	// Reserve makes a file that takes up that many bytes, or none.
	Reserve(path string, size int64) error
}

// file is an open file of the journal.
type file interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Datasync makes content and size durable (fdatasync(2)).
	Datasync() error
}

type realDisk struct{}

func (realDisk) Open(path string, create bool) (file, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return realFile{f}, nil
}

func (realDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (realDisk) Remove(path string) error     { return os.Remove(path) }
func (realDisk) SyncDir(path string) error    { return syncDir(path) }

func (realDisk) Reserve(path string, size int64) error {
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := allocate(f, size); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

type realFile struct{ *os.File }

func (f realFile) Datasync() error { return datasync(f.File) }

// zeros fills a file that nothing else can give blocks to.
func zeros(f *os.File, size int64) error {
	block := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(block)) {
		if _, err := f.WriteAt(block[:min(int64(len(block)), size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}
