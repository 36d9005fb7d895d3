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
	// SyncDir makes names in a folder durable.
	SyncDir(path string) error
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
func (realDisk) SyncDir(path string) error    { return syncDir(path) }

type realFile struct{ *os.File }

func (f realFile) Datasync() error { return datasync(f.File) }
