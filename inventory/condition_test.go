package inventory_test

import (
	"slices"
	"testing"
	"time"

	"lodge/inventory"
)

func TestCombineConditions(t *testing.T) {
	for what, c := range map[string]struct {
		all  []inventory.Condition
		want []string
	}{
		"none":                  {nil, nil},
		"one":                   {[]inventory.Condition{{Approvals: 1}}, []string{"1 approval by somebody else"}},
		"the larger number":     {[]inventory.Condition{{Approvals: 1, Role: "owner"}, {Approvals: 2, Role: "owner"}}, []string{"2 approvals by owner"}},
		"the union of roles":    {[]inventory.Condition{{Approvals: 1, Role: "owner"}, {Approvals: 1, Role: "approver"}}, []string{"1 approval by owner", "1 approval by approver"}},
		"the longest delay":     {[]inventory.Condition{{Delay: time.Hour}, {Delay: 24 * time.Hour}}, []string{"after 24h0m0s"}},
		"every window":          {[]inventory.Condition{{Window: "nights"}, {Window: "weekends"}}, []string{"in window nights", "in window weekends"}},
		"approvals and windows": {[]inventory.Condition{{Approvals: 1}, {Window: "nights"}}, []string{"1 approval by somebody else", "in window nights"}},
	} {
		t.Run(what, func(t *testing.T) {
			if got := inventory.ConditionTexts(inventory.CombineConditions(c.all)); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
