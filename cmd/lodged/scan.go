package main

import (
	"fmt"
	"os"

	"lodge/manager/image/recipe"
	"lodge/manager/image/remote"
	"lodge/manager/image/unpack"
)

// scanMain is the scan role: a child of the agent that reads what strangers made, without any
// right on the host. args[0] says what it is to do.
func scanMain(args []string) int {
	if len(args) > 0 {
		switch args[0] {
		case "unpack":
			return unpack.Main(args[1:])
		case "pull":
			return remote.Main(args[1:])
		case "build":
			return recipe.Main(args[1:])
		}
	}
	fmt.Fprintln(os.Stderr, "lodged scan is started by the agent only")
	return 2
}
