// Command forge sends frames that lie, or says which arrived, from inside a container.
package main

import (
	"os"

	"lodge/network/forgetest"
)

func main() { os.Exit(forgetest.Run(os.Args[1:])) }
