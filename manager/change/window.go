package change

import (
	"context"
	"encoding/json"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// beforeKey is where an operation keeps the window it replaces or removes.
const beforeKey = "before"

func (s *Service) windowVerbs() []gate.Verb {
	// What a step saves is durable when the next one begins: the old window is noted first.
	look := gate.Step{Name: "look", Do: s.lookAtWindow}
	verb := func(name string, v gate.Verb) gate.Verb {
		v.Name, v.Right, v.Mode, v.Risk = "window."+name, inventory.RightPolicy, gate.ModeOperation, inventory.RiskHigh
		v.Command, v.Subject = "window "+name, windowSubject
		return v
	}
	return []gate.Verb{
		{Name: "window.view", Right: inventory.RightEnter, Mode: gate.ModeRead, Risk: inventory.RiskLow, Command: "window list"},
		verb("create", gate.Verb{Prepare: s.prepareWindow,
			Steps: []gate.Step{look, {Name: "save", Do: s.saveWindow, Undo: s.windowBack}}}),
		verb("remove", gate.Verb{Prepare: s.prepareWindowRemoval,
			Steps: []gate.Step{look, {Name: "remove", Do: s.removeWindow, Undo: s.windowBack}}}),
	}
}

// windowSubject makes changes of one window exclude each other.
func windowSubject(r *gate.Request) (subject, name string, err error) {
	var args inventory.WindowNameArgs
	if err := json.Unmarshal(r.Args, &args); err != nil || args.Name == "" {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "say which window is meant")
	}
	return "window:" + args.Name, args.Name, nil
}

// Window finds one by its name; ErrNotFound if there is none.
func (s *Service) Window(ctx context.Context, name string) (inventory.Window, error) {
	all, err := s.Store.Windows(ctx)
	i := slices.IndexFunc(all, func(w inventory.Window) bool { return w.Name == name })
	if err != nil || i < 0 {
		if err == nil {
			err = inventory.Errorf(inventory.ErrNotFound, "there is no window %s; 'lodge window list' shows those there are", name)
		}
		return inventory.Window{}, err
	}
	return all[i], nil
}

func (s *Service) prepareWindow(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.WindowArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	w, err := args.Window()
	if err != nil {
		return nil, err
	}
	if !w.Until.IsZero() && w.NextOpen(s.Now()).IsZero() {
		return nil, inventory.Errorf(inventory.ErrInvalid, "window %s would never open: it is over", w.Name)
	}
	line := inventory.EffectLine{Field: "window." + w.Name, After: w.String(), Effect: inventory.EffectLive}
	if old, err := s.Window(ctx, w.Name); err == nil {
		line.Before = old.String()
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{line}}, nil
}

func (s *Service) prepareWindowRemoval(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.WindowNameArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	old, err := s.Window(ctx, args.Name)
	if err != nil {
		return nil, err
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "window." + old.Name, Before: old.String(), Effect: inventory.EffectLive}}}, nil
}

// keptWindow is how an operation keeps a window for the way back.
type keptWindow struct {
	inventory.Window
	Hours string
}

func (s *Service) lookAtWindow(ctx context.Context, r *gate.Run) error {
	all, err := s.Store.Windows(ctx)
	if err != nil {
		return err
	}
	for _, w := range all {
		if w.Name == r.Operation.Name {
			return r.Save(beforeKey, &keptWindow{w, w.Schedule.String()})
		}
	}
	return r.Save(beforeKey, (*keptWindow)(nil))
}

func (s *Service) saveWindow(ctx context.Context, r *gate.Run) error {
	var args inventory.WindowArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	w, err := args.Window()
	if err != nil {
		return err
	}
	w.Reason, w.CreatedAt = r.Operation.Reason, r.Operation.StartedAt
	return s.Store.SaveWindow(ctx, w)
}

func (s *Service) removeWindow(ctx context.Context, r *gate.Run) error {
	return s.Store.DeleteWindow(ctx, r.Operation.Name)
}

func (s *Service) windowBack(ctx context.Context, r *gate.Run) (err error) {
	var before *keptWindow
	if !r.Load(beforeKey, &before) {
		return nil
	}
	if before == nil {
		return s.Store.DeleteWindow(ctx, r.Operation.Name)
	}
	if before.Schedule, err = inventory.ParseHours(before.Hours); err != nil {
		return err
	}
	return s.Store.SaveWindow(ctx, before.Window)
}
