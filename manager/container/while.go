package container

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// A change for a while (--for) leaves a deadline that takes it back. The deadline is about single
// settings and the value each was given: what somebody has set to something else since stays.

const updateVerb = "container.update"

// goBack adds the deadline that undoes a change made with --for.
func (s *Service) goBack(ctx context.Context, r *gate.Request, args *inventory.UpdateArgs,
	d *gate.Draft) error {
	after, err := inventory.ParseDuration(args.For)
	if err != nil {
		return err
	}
	if after <= 0 {
		return inventory.Errorf(inventory.ErrInvalid, "a change for %s would be none", args.For)
	}
	if !onlySettings(args) {
		return inventory.Errorf(inventory.ErrInvalid,
			"only settings can be changed for a while; change the rest by itself, without 'for'")
	}
	due := s.Now().Add(after)
	back, err := s.wayBack(ctx, r.Container, d.After, due)
	if err != nil {
		return err
	}
	d.Deadlines = append(d.Deadlines, s.deadline(r.Container, updateVerb, due, back, r.Principal,
		"back after "+args.For))
	d.Effects = append(d.Effects, inventory.EffectLine{Field: "for", After: args.For,
		Note: "then back, at " + due.UTC().Format("2006-01-02 15:04:05Z")})
	return nil
}

func onlySettings(a *inventory.UpdateArgs) bool {
	return a.Owner == nil && a.Purpose == nil && a.Environment == nil && a.DataClass == nil && a.Ticket == nil &&
		a.After == nil && len(a.Labels) == 0 && len(a.Unlabel) == 0
}

// wayBack says how the settings that change get back at due. What is itself set for a while is not
// what to go back to, unless it is meant to last longer than this change.
func (s *Service) wayBack(ctx context.Context, before, after *inventory.Container,
	due time.Time) (inventory.UpdateArgs, error) {
	back := inventory.UpdateArgs{Settings: map[string]string{}, While: map[string]string{}}
	earlier, err := s.Store.WaitingDeadlines(ctx, before.ID, updateVerb)
	if err != nil {
		return back, err
	}
	for _, name := range slices.Sorted(maps.Keys(merge(before.Settings, after.Settings, nil))) {
		if before.Settings[name] == after.Settings[name] {
			continue
		}
		value := before.Settings[name]
		for _, e := range earlier {
			var was inventory.UpdateArgs
			if json.Unmarshal(e.Args, &was) != nil || e.Due.After(due) {
				continue
			}
			if while, ok := was.While[name]; ok && while == value {
				value = was.Settings[name] // "" where it is to be unset
			}
		}
		back.While[name] = after.Settings[name]
		if value == "" {
			back.Unset = append(back.Unset, name)
		} else {
			back.Settings[name] = value
		}
	}
	return back, nil
}

// stillSo leaves out of the parameters what was to be done only while a setting had a value that it
// has no more. ErrState if nothing is left.
func stillSo(c *inventory.Container, a *inventory.UpdateArgs) error {
	if len(a.While) == 0 {
		return nil
	}
	moved := func(name string) bool {
		while, ok := a.While[name]
		return ok && c.Settings[name] != while
	}
	maps.DeleteFunc(a.Settings, func(name, _ string) bool { return moved(name) })
	a.Unset = slices.DeleteFunc(a.Unset, moved)
	if len(a.Settings)+len(a.Unset) == 0 {
		return inventory.Errorf(inventory.ErrState,
			"%s has been changed since, and is left as it is", c.Ref())
	}
	return nil
}
