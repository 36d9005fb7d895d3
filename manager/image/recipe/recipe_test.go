package recipe_test

import (
	"os"
	"testing"

	"lodge/manager/image/recipe"
	"lodge/manager/image/unpack"
)

// TestMain lets the test binary be the agent's: builds execute it again as the scan role.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "scan" {
		switch os.Args[2] {
		case "build":
			os.Exit(recipe.Main(os.Args[3:]))
		case "unpack":
			os.Exit(unpack.Main(os.Args[3:]))
		}
	}
	os.Exit(m.Run())
}
