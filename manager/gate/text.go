package gate

import (
	"strings"

	"lodge/inventory"
)

func join(reasons []string) string {
	if len(reasons) == 0 {
		return "a policy says so"
	}
	return strings.Join(reasons, "; ")
}

func joinStates(states []inventory.State) string {
	words := make([]string, len(states))
	for i, s := range states {
		words[i] = string(s)
	}
	return strings.Join(words, " or ")
}
