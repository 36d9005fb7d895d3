package network_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"lodge/inventory"
)

// BenchmarkPublish is what a launch pays for its name: one container of n changes.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{10, 200, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, _ := setup(b)
			var all []inventory.Container
			for i := range n {
				all = append(all, testContainer(fmt.Sprintf("c%d", i), netip.AddrFrom4([4]byte{10, 86, 7, byte(i)}).String()))
			}
			for i := 0; b.Loop(); i++ {
				all[0].Name = fmt.Sprintf("x%d", i)
				if err := s.Publish(context.Background(), all); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
