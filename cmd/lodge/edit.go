package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func editCommands() []*cli.Command {
	return []*cli.Command{{Name: "edit", Category: "Settings",
		Usage: "change facts and settings in $EDITOR", ArgsUsage: "NAME",
		Description: "Nothing is changed if the text is left as it is, or if somebody else changed the container meanwhile.",
		Flags:       mutationFlags(), Action: editContainer, BashComplete: completeContainers}}
}

// A sheet is what can be edited of a container, as YAML.
type sheet struct {
	Owner       string            `yaml:"owner"`
	Purpose     string            `yaml:"purpose"`
	Environment string            `yaml:"environment"`
	DataClass   string            `yaml:"data_class"`
	Ticket      string            `yaml:"ticket"`
	After       []string          `yaml:"after,flow"`
	Labels      map[string]string `yaml:"labels"`
	Settings    map[string]string `yaml:"settings"`
}

func sheetOf(w wire.Container) sheet {
	s := sheet{Owner: w.Owner, Purpose: w.Purpose, Environment: string(w.Environment),
		DataClass: w.DataClass, Ticket: w.Ticket,
		After: w.After, Labels: w.Labels, Settings: w.Settings}
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	if s.Settings == nil {
		s.Settings = map[string]string{}
	}
	return s
}

// text is the sheet with what a person should know before changing it.
func (s sheet) text(w wire.Container) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b,
		"# %s, revision %d. Settings left out are inherited; 'lodge config list' shows all there are.\n", w.Name, w.Revision)
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode(s)
	return b.Bytes(), err
}

// changes returns what turns the sheet into another one; changed is false if nothing does.
func (s sheet) changes(to sheet) (args inventory.UpdateArgs, changed bool) {
	for _, f := range []struct {
		arg        **string
		old, fresh string
	}{{&args.Owner, s.Owner, to.Owner}, {&args.Purpose, s.Purpose, to.Purpose}, {&args.Environment,
		s.Environment, to.Environment},
		{&args.DataClass, s.DataClass, to.DataClass}, {&args.Ticket, s.Ticket, to.Ticket}} {
		if f.old != f.fresh {
			*f.arg = &f.fresh
			changed = true
		}
	}
	if !slices.Equal(s.After, to.After) {
		after := append([]string{}, to.After...)
		args.After, changed = &after, true
	}
	args.Labels, args.Unlabel = mapChanges(s.Labels, to.Labels)
	args.Settings, args.Unset = mapChanges(s.Settings, to.Settings)
	return args, changed || len(args.Labels)+len(args.Unlabel)+len(args.Settings)+len(args.Unset) > 0
}

func mapChanges(old, fresh map[string]string) (set map[string]string, unset []string) {
	set = map[string]string{}
	for key, value := range fresh {
		if was, ok := old[key]; !ok || was != value {
			set[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if _, ok := fresh[key]; !ok {
			unset = append(unset, key)
		}
	}
	return set, unset
}

func editContainer(c *cli.Context) error {
	w, err := one(c)
	if err != nil {
		return err
	}
	before := sheetOf(w)
	text, err := before.text(w)
	if err != nil {
		return err
	}
	edited, err := edit(text, ".yaml")
	if err != nil || bytes.Equal(text, edited) {
		return err
	}
	if err := apply(c, w, before, edited); err != nil {
		return kept(edited, err)
	}
	return nil
}

// apply sends what an edited text changes, for the revision it was made from.
func apply(c *cli.Context, w wire.Container, before sheet, edited []byte) error {
	after := sheet{}
	d := yaml.NewDecoder(bytes.NewReader(edited))
	d.KnownFields(true)
	if err := d.Decode(&after); err != nil {
		return usage("the text can't be read: %v", err)
	}
	args, changed := before.changes(after)
	if !changed {
		return nil
	}
	return mutateEach(c, []string{w.Name}, is("is changed"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			o.Revision = w.Revision
			return api.Update(ctx, inventory.Ref{Project: w.Project, Name: w.Name}, args, o)
		})
}

// kept saves what a person has typed when it can't be applied.
func kept(text []byte, cause error) error {
	f, err := os.CreateTemp("", "lodge-edit-*.yaml")
	if err != nil {
		return cause
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return cause
	}
	return fmt.Errorf("%w; your text is kept in %s", cause, f.Name())
}
