package audit

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lodge/inventory"
)

// source is where a journal is read from: a folder, or a tar file of one.
type source interface {
	Names() ([]string, error)
	// Open returns fs.ErrNotExist for a name that is not there.
	Open(name string) (content, int64, error)
	io.Closer
}

type content interface {
	io.ReaderAt
	io.Closer
}

func openSource(name string) (source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return folderSource(name), nil
	}
	return openTar(name)
}

type folderSource string

func (s folderSource) Close() error { return nil }

func (s folderSource) Names() (names []string, err error) {
	files, err := os.ReadDir(string(s))
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names, err
}

func (s folderSource) Open(name string) (content, int64, error) {
	f, err := os.Open(filepath.Join(string(s), filepath.FromSlash(name)))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		f.Close()
		return nil, 0, errors.Join(err, fs.ErrNotExist)
	}
	return f, info.Size(), nil
}

// tarSource reads a tar file in place: nothing of it is unpacked.
type tarSource struct {
	file    *os.File
	entries map[string]extentOf
}

type extentOf struct{ offset, size int64 }

// maxEntries is far more than an export has.
const maxEntries = 1 << 20

func openTar(name string) (source, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	s := &tarSource{file: f, entries: map[string]extentOf{}}
	if err := s.read(); err != nil {
		f.Close()
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s is neither a folder nor a bundle: %w", name, err)
	}
	return s, nil
}

func (s *tarSource) read() error {
	r := tar.NewReader(s.file)
	for len(s.entries) < maxEntries {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		at, err := s.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if _, twice := s.entries[name]; twice {
			return fmt.Errorf("%q is in it twice", name)
		}
		s.entries[name] = extentOf{at, h.Size}
	}
	return errors.New("too many files")
}

func (s *tarSource) Close() error { return s.file.Close() }

func (s *tarSource) Names() (names []string, err error) {
	for name := range s.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (s *tarSource) Open(name string) (content, int64, error) {
	e, ok := s.entries[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return section{io.NewSectionReader(s.file, e.offset, e.size)}, e.size, nil
}

type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// maxSmall bounds the files that are read whole.
const maxSmall = 64 << 10

func readAll(s source, name string) ([]byte, error) {
	f, size, err := s.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, min(size, maxSmall)))
}

// segmentsIn returns the numbers in the names of segments, ascending.
func segmentsIn(names []string) (firsts []int64) {
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, segmentSuffix)
		first, err := strconv.ParseInt(digits, 10, 64)
		if ok && err == nil && segmentName(first) == name {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts
}
