package lxc

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// chooseCPUs picks n of the host's CPUs: first those in keep, so that a change moves as little as
// possible, then those the fewest containers use, the lowest number first. used counts containers
// per CPU. It returns all when n is not less than their number.
func chooseCPUs(host []int, used map[int]int, keep []int, n int) []int {
	order := slices.Clone(host)
	slices.SortStableFunc(order, func(a, b int) int {
		if ka, kb := slices.Contains(keep, a), slices.Contains(keep, b); ka != kb {
			if ka {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(used[a], used[b]), cmp.Compare(a, b))
	})
	chosen := order[:min(n, len(order))]
	slices.Sort(chosen)
	return chosen
}

// parseCPUs reads the kernel's list format (cpuset(7)): "0-2,7".
func parseCPUs(list string) []int {
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(last); err != nil {
				continue
			}
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// formatCPUs writes the list format without ranges.
func formatCPUs(cpus []int) string {
	words := make([]string, len(cpus))
	for i, cpu := range cpus {
		words[i] = strconv.Itoa(cpu)
	}
	return strings.Join(words, ",")
}
