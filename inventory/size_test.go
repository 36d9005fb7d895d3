package inventory_test

import (
	"math/rand/v2"
	"testing"

	"lodge/inventory"
)

// What is kept of a size is the size that was asked for, to the byte.
func TestSizesAreKeptExactly(t *testing.T) {
	memory := inventory.Setting{Name: "memory", Type: inventory.TypeBytes}
	for given, want := range map[string]string{
		"1100MiB": "1100MiB", "10GB": "10GB", "1.5GiB": "1536MiB", "2048MiB": "2GiB", "1GiB": "1GiB",
		"1000": "1kB", "1023": "1023B", "5000000KiB": "5120MB", "5000001KiB": "5000001KiB", "1TB": "1TB",
	} {
		if got, err := memory.Check(given); err != nil || got != want {
			t.Errorf("%s is kept as %s, want %s: %v", given, got, want, err)
		}
	}
	for range 10000 {
		b := inventory.Bytes(rand.Int64N(1<<50) + 1)
		if back, err := inventory.ParseBytes(b.Exact()); err != nil || back != b {
			t.Fatalf("%d is written %s and read %d: %v", b, b.Exact(), back, err)
		}
	}
}
