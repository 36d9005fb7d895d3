package liblxc

import (
	"encoding/json"
	"os"
	"runtime/debug"

	lxc "github.com/lxc/go-lxc"
)

// Version prints the versions of Lodge and of the liblxc it runs with as one JSON object.
func Version(_ []string) int {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	out := map[string]string{"lodge": version, "liblxc": lxc.Version()}
	if json.NewEncoder(os.Stdout).Encode(out) != nil {
		return 1
	}
	return 0
}
