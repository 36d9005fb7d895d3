package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/image/unpack"
)

// Look says what container a spooled archive is an export of, as far as its index tells. It changes
// nothing, and reads no further than it has to.
func (s *Service) Look(ctx context.Context, upload string) (*inventory.Imported, error) {
	f, err := s.openUpload(upload)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if unpack.IsSquashfs(f, 0) {
		return nil, noExport()
	}
	dir, err := os.MkdirTemp(s.workDir(""), "look-") // the child's root; it stays empty
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	report, err := unpack.Run(ctx, unpack.Job{Exe: s.SelfExe, IDBase: s.IDBase, Dir: dir, Source: f, Peek: true})
	if err != nil {
		return nil, err
	}
	if was := containerOf(report.Metadata); was != nil {
		return was, nil
	}
	return nil, noExport()
}

func noExport() error {
	return inventory.Errorf(inventory.ErrInvalid,
		"the file is no export of a container; 'lodge image import FILE --alias NAME' takes images")
}

// Unpack writes the files of an export below dir, an empty folder, and says what container it is of
// and what system its files are. It shows on r how far it is.
func (s *Service) Unpack(ctx context.Context, r *gate.Run, upload, dir string) (*inventory.Imported, inventory.Image, error) {
	var m inventory.Image
	f, err := s.openUpload(upload)
	if err != nil {
		return nil, m, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, m, err
	}
	report, err := unpack.Run(ctx, unpack.Job{Exe: s.SelfExe, IDBase: s.IDBase, Dir: dir,
		Source: &counted{r: f, size: info.Size(), run: r}, Inspect: true})
	if err == nil {
		err = checkArchitecture(report.Architecture)
	}
	was := containerOf(report.Metadata)
	if err == nil && was == nil {
		err = noExport()
	}
	m.OS, m.Release, m.Architecture = report.OS, report.Release, report.Architecture
	m.Init, m.InitVersion, m.CloudInit = report.Init, report.InitVersion, report.CloudInit
	return was, m, err
}

// Drop removes a spooled archive; one that is gone is no error.
func (s *Service) Drop(upload string) error {
	if !isUpload(upload) {
		return nil
	}
	if err := os.Remove(s.uploadPath(upload)); err != nil && !missing(err) {
		return fmt.Errorf("remove the upload: %w", err)
	}
	return nil
}

// openUpload opens what the door has spooled.
func (s *Service) openUpload(upload string) (*os.File, error) {
	if !isUpload(upload) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%.40q names no upload", upload)
	}
	path := s.uploadPath(upload)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil, inventory.Errorf(inventory.ErrNotFound, "the upload %.40q is gone; send the archive again", filepath.Base(upload))
	}
	return os.Open(path)
}
