package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/wire"
)

// printCapacity shows what the host has, has promised, and can still give.
func printCapacity(c *cli.Context, all []wire.Capacity) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(c.App.Writer)
	amount := func(r wire.Capacity, n float64) string { return inventory.Capacity{Resource: r.Resource}.Amount(n) }
	measured := func(r wire.Capacity, n *float64, without string) string {
		if n == nil {
			return without
		}
		return amount(r, *n)
	}
	return printList(c, all, []column[wire.Capacity]{
		{"resource", false, func(r wire.Capacity) string { return strings.TrimSpace(r.Resource + " " + r.Pool) }},
		{"total", false, func(r wire.Capacity) string { return amount(r, r.Total) }},
		{"reserved", false, func(r wire.Capacity) string { return amount(r, r.Reserved) }},
		{"given", false, func(r wire.Capacity) string { return amount(r, r.Given) }},
		{"ratio", false, func(r wire.Capacity) string { return fmt.Sprintf("%.2f", r.Ratio) }},
		{"guaranteed", false, func(r wire.Capacity) string { return amount(r, r.Guaranteed) }},
		{"in use", false, func(r wire.Capacity) string { return measured(r, r.InUse, "") }},
		{"can give", false, func(r wire.Capacity) string { return measured(r, r.Left, "no bound") }},
		{"can guarantee", false, func(r wire.Capacity) string {
			if r.Resource == "disk" { // nothing keeps room
				return ""
			}
			return amount(r, r.Keepable)
		}},
	})
}
