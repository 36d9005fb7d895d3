package container

import (
	"hash/fnv"

	"lodge/inventory"
)

var (
	qualities = []string{"amber", "brisk", "calm", "clear", "cosy", "dapper", "early", "fresh",
		"gentle", "hardy",
		"keen", "light", "lucky", "mellow", "neat", "nimble", "plain", "quiet", "rapid", "ready", "solid", "steady",
		"sunny", "swift", "tidy", "warm"}
	trees = []string{"acacia", "alder", "ash", "aspen", "bay", "beech", "birch", "cedar", "cherry",
		"cypress", "elder",
		"elm", "fir", "hazel", "holly", "juniper", "larch", "lime", "maple", "oak", "olive", "pine", "poplar", "rowan",
		"spruce", "willow", "yew"}
)

// madeUpName gives a container that was given none a name a person can say. It follows from the
// id; a name that is taken is refused like any other.
func madeUpName(id inventory.ContainerID) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	n := h.Sum32()
	return qualities[int(n>>16)%len(qualities)] + "-" + trees[int(n&0xffff)%len(trees)]
}
