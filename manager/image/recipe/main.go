package recipe

import (
	"fmt"
	"os"
	"syscall"

	"lodge/manager/image/confine"
)

// Main is the child that builds: "scan build". It puts its directory on /tmp and becomes the shell
// that runs build.sh. It returns only when that fails.
func Main([]string) int {
	err := confine.Attach("/tmp")
	if err == nil {
		err = confine.NoNewPrivileges()
	}
	if err == nil {
		err = syscall.Exec("/bin/sh", []string{"sh", "/tmp/in/build.sh"}, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
