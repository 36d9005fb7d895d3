package liblxc

// #include "file.h"
import "C"

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/account/guest"
)

// Account looks at, makes or locks one account of a container: ARGS are the operation and "running
// LXCPATH NAME" or "stopped ROOTFS". Descriptor 3 holds a guest.Account as JSON. It prints one line of
// JSON: {state} as it was before, and {error, kind} where it could not be done.
func Account(args []string) int {
	if len(args) < 3 || C.lodge_file.ready == 0 {
		fmt.Fprintln(os.Stderr, "usage: lodge-lxc account OPERATION running LXCPATH NAME | stopped ROOTFS")
		return 2
	}
	var reply guest.Reply
	var err error
	reply.State, err = serveAccount(args)
	if err != nil {
		reply.Error = err.Error()
	}
	if kind, ok := inventory.Kind(err); ok {
		reply.Kind = kind.Name
	}
	json.NewEncoder(os.Stdout).Encode(reply)
	return 0
}

func serveAccount(args []string) (guest.State, error) {
	if text := C.GoString(&C.lodge_file.error[0]); text != "" {
		return "", inventory.Errorf(inventory.ErrUnavailable, "%s", text)
	}
	var a guest.Account
	if err := json.NewDecoder(os.NewFile(3, "request")).Decode(&a); err != nil {
		return "", fmt.Errorf("the request can't be read: %w", err)
	}
	rootfs := "/"
	if args[1] == "stopped" {
		rootfs = args[2]
	}
	root, err := unix.Open(rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", inventory.Errorf(inventory.ErrUnavailable, "the root file system can't be opened: %v", err)
	}
	return guest.Do(root, guest.Op(args[0]), a)
}
