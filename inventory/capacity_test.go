package inventory_test

import (
	"testing"

	"lodge/inventory"
)

func TestCapacity(t *testing.T) {
	bounded := inventory.Capacity{Resource: "memory", Total: 8 << 30, Given: 3 << 30, Guaranteed: 1 << 30, Most: 4 << 30}
	if left, ok := bounded.Left(); !ok || left != 1<<30 || bounded.Keepable() != 7<<30 || bounded.Amount(left) != "1GiB" {
		t.Errorf("left %v %v, keepable %v", left, ok, bounded.Keepable())
	}
	over := inventory.Capacity{Resource: "cpus", Total: 2, Given: 9, Guaranteed: 3, Most: 4}
	if left, _ := over.Left(); left != 0 || over.Keepable() != 0 || over.Amount(1.5) != "1.5" {
		t.Errorf("given beyond its bound it has %v left and %v to keep", left, over.Keepable())
	}
	reserved := inventory.Capacity{Resource: "cpus", Total: 4, Reserved: 1, Given: 4.5, Guaranteed: 1}
	if reserved.Keepable() != 2 || reserved.Ratio() != 1.5 || (inventory.Capacity{Total: 1, Reserved: 2, Given: 3}).Ratio() != 0 {
		t.Errorf("beside what the host keeps, %v can be kept and %v is given", reserved.Keepable(), reserved.Ratio())
	}
	if _, ok := (inventory.Capacity{Total: 2}).Left(); ok {
		t.Error("without a bound nothing is left to tell")
	}
}
