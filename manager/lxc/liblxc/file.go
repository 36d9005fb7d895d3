package liblxc

// #include "file.h"
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// File serves one access to a container's files: ARGS are the operation (read, write, list, delete)
// and "running LXCPATH NAME" or "stopped ROOTFS". Descriptor 3 holds inventory.FileArgs as JSON.
// It prints one line of JSON, {files} or {error, kind}; the content of a file follows it, or comes
// on standard input in chunks of a length (4 bytes, big endian) and data, ended by a length of 0.
func File(args []string) int {
	if len(args) < 3 || C.lodge_file.ready == 0 {
		fmt.Fprintln(os.Stderr, "usage: lodge-lxc file OPERATION running LXCPATH NAME | stopped ROOTFS")
		return 2
	}
	if err := serveFile(args); err != nil {
		reply := fileReply{Error: err.Error()}
		if kind, ok := inventory.Kind(err); ok {
			reply.Kind = kind.Name
		}
		json.NewEncoder(os.Stdout).Encode(reply)
		return 1
	}
	return 0
}

type fileReply struct {
	Files []inventory.FileInfo `json:"files,omitempty"`
	Error string               `json:"error,omitempty"`
	Kind  string               `json:"kind,omitempty"`
}

func serveFile(args []string) error {
	if text := C.GoString(&C.lodge_file.error[0]); text != "" {
		return inventory.Errorf(inventory.ErrUnavailable, "%s", text)
	}
	var request inventory.FileArgs
	if err := json.NewDecoder(os.NewFile(3, "request")).Decode(&request); err != nil {
		return fmt.Errorf("the request can't be read: %w", err)
	}
	if !strings.HasPrefix(request.Path, "/") || strings.ContainsRune(request.Path, 0) {
		return inventory.Errorf(inventory.ErrInvalid,
			"%q is no path from the root; write it like /etc/hosts", request.Path)
	}
	rootfs := "/"
	if args[1] == "stopped" {
		rootfs = args[2]
	}
	root, err := unix.Open(rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "the root file system can't be opened: %v", err)
	}
	t := tree{root: root, descriptors: int(C.lodge_file.descriptors)}
	switch args[0] {
	case "read":
		return t.read(request, os.Stdout)
	case "write":
		return t.write(request, os.Stdin, os.Stdout)
	case "list":
		return t.list(request, os.Stdout)
	case "delete":
		return t.remove(request, os.Stdout)
	}
	return inventory.Errorf(inventory.ErrInvalid, "there is no file operation %q", args[0])
}

func answer(w io.Writer, files ...inventory.FileInfo) error {
	return json.NewEncoder(w).Encode(fileReply{Files: files})
}

// refusal gives an errno the kind and words people can act on.
func refusal(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return inventory.Errorf(inventory.ErrNotFound, "there is no %s in the container", path)
	case errors.Is(err, unix.ELOOP):
		return inventory.Errorf(inventory.ErrInvalid,
			"%s leads over too many links or one that may not be followed", path)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return inventory.Errorf(inventory.ErrDenied, "%s is closed even to the container's root", path)
	case errors.Is(err, unix.EDQUOT), errors.Is(err, unix.ENOSPC):
		return inventory.Errorf(inventory.ErrQuota, "%s does not fit: the container's disk is full", path)
	case errors.Is(err, unix.EROFS):
		return inventory.Errorf(inventory.ErrState, "%s lies on a read-only file system", path)
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.EISDIR):
		return inventory.Errorf(inventory.ErrExists, "%s is there already and no regular file", path)
	case errors.Is(err, unix.ENOTEMPTY):
		return inventory.Errorf(inventory.ErrState, "%s is not empty", path)
	case errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.EINVAL):
		return inventory.Errorf(inventory.ErrInvalid, "%s is no possible path: %v", path, err)
	}
	if _, ok := inventory.Kind(err); ok {
		return err
	}
	return inventory.Errorf(inventory.ErrUnavailable, "%s: %v", path, err)
}
