package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Condition is what a policy holds a plan for. Its fields that are set have to be met together.
type Condition struct {
	Approvals int           `json:"approvals,omitempty"` // of this many persons, none of them the requester
	Role      string        `json:"role,omitempty"`      // which they have on what the plan changes; "": whoever may approve
	Window    string        `json:"window,omitempty"`    // the window it may run in
	Delay     time.Duration `json:"delay_ns,omitempty"`  // cooling-off, from when it was submitted
	Firm      bool          `json:"firm,omitempty"`      // an emergency does not pass it either
	Policy    string        `json:"policy,omitempty"`    // which policy asks for it
}

// String is the condition in words: "2 approvals by approver in window nights".
func (c Condition) String() string {
	var parts []string
	if c.Approvals == 1 {
		parts = append(parts, "1 approval by "+c.whose())
	} else if c.Approvals > 1 {
		parts = append(parts, fmt.Sprintf("%d approvals by %s", c.Approvals, c.whose()))
	}
	if c.Window != "" {
		parts = append(parts, "in window "+c.Window)
	}
	if c.Delay > 0 {
		parts = append(parts, "after "+c.Delay.String())
	}
	return strings.Join(parts, " ")
}

func (c Condition) whose() string {
	if c.Role == "" {
		return "somebody else"
	}
	return c.Role
}

// CombineConditions joins what several policies ask for: the union of the approvers, and the
// strictest of the rest. Of equal roles the largest number counts, of delays the longest; a plan
// waits for every window that is named.
func CombineConditions(all []Condition) []Condition {
	var joined []Condition
	for _, c := range all {
		at := slices.IndexFunc(joined, func(have Condition) bool {
			return have.Role == c.Role && have.Window == c.Window && (have.Approvals > 0) == (c.Approvals > 0)
		})
		if at < 0 {
			joined = append(joined, c)
			continue
		}
		have := &joined[at]
		if c.Approvals > have.Approvals {
			have.Approvals, have.Policy = c.Approvals, c.Policy
		}
		have.Delay, have.Firm = max(have.Delay, c.Delay), have.Firm || c.Firm
	}
	return joined
}

// LacksApprovals reports whether any of the conditions asks for approvals.
func LacksApprovals(missing []Condition) bool {
	return slices.ContainsFunc(missing, func(c Condition) bool { return c.Approvals > 0 })
}

// NeedTexts are the conditions in words, for what is in the environment: "1 approval by approver of
// prod".
func NeedTexts(all []Condition, env Environment) []string {
	texts := make([]string, len(all))
	for i, c := range all {
		if c.Role != "" && env != "" {
			c.Role += " of " + string(env)
		}
		texts[i] = c.String()
	}
	return texts
}

// ConditionTexts are the conditions in words.
func ConditionTexts(all []Condition) []string {
	texts := make([]string, len(all))
	for i, c := range all {
		texts[i] = c.String()
	}
	return texts
}
