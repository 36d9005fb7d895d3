package inventory

import "strconv"

// A Capacity is what a host has of one resource and what it has promised of it. Amounts are CPUs for
// "cpus" and bytes for "memory" and "disk".
type Capacity struct {
	Resource   string
	Pool       string  // of "disk", which each pool has for itself
	Total      float64 // of the host, or of the pool
	Reserved   float64 // of that, what the host keeps for itself
	Given      float64 // the sizes of all containers together; of a pool, of what lies on it, volumes too
	Guaranteed float64 // what is kept for those that are to run
	Most       float64 // what may be given, by host.overcommit; 0: no bound
}

// Of reports whether the resource is what a container on that pool takes.
func (c Capacity) Of(pool string) bool { return c.Resource != "disk" || c.Pool == pool }

// Left is what can still be given; ok is false when there is no bound.
func (c Capacity) Left() (left float64, ok bool) {
	return max(0, c.Most-c.Given), c.Most > 0
}

// Keepable is what can still be guaranteed: the same thing is never kept for two.
func (c Capacity) Keepable() float64 { return max(0, c.Ours()-c.Guaranteed) }

// Ours is what there is for containers.
func (c Capacity) Ours() float64 { return max(0, c.Total-c.Reserved) }

// Ratio is how much is given of what there is for containers: 1.5 is half of it given twice.
func (c Capacity) Ratio() float64 {
	if c.Ours() == 0 {
		return 0
	}
	return c.Given / c.Ours()
}

// Amount writes an amount of the resource for people.
func (c Capacity) Amount(n float64) string {
	if c.Resource == "cpus" {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return Bytes(n).String()
}
