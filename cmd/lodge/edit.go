package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func editCommands() []*cli.Command {
	return []*cli.Command{{Name: "edit", Category: "Settings",
		Usage: "change a container's spec in $EDITOR", ArgsUsage: "NAME",
		Description: "The difference is shown and applied. Nothing is changed if the text is left as it is, or if\n" +
			"somebody else changed the container meanwhile.",
		Flags: mutationFlags(), Action: editContainer, BashComplete: completeContainers}}
}

func editContainer(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("edit needs the name of one container")
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	before, err := specsOf(c, api)
	if err != nil {
		return err
	}
	text, err := sheet(before.Items[0])
	if err != nil {
		return err
	}
	edited, err := edit(text, ".yaml")
	if err != nil || bytes.Equal(text, edited) {
		return err
	}
	if err := applyEdited(c, api, before.Items[0], edited); err != nil {
		return kept(edited, err)
	}
	return nil
}

// sheet is the spec with what a person should know before changing it.
func sheet(s wire.ContainerSpec) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s, revision %d. What is left out is unset: settings are inherited then;\n"+
		"# 'lodge config list' shows all there are.\n", s.Spec.Ref(), s.Revision)
	err := writeSpecs(&b, inventory.Specs{Containers: []inventory.Spec{s.Spec}})
	return b.Bytes(), err
}

// applyEdited applies an edited text to the revision it was made from.
func applyEdited(c *cli.Context, api *client.Client, before wire.ContainerSpec, edited []byte) error {
	ref := before.Spec.Ref()
	specs, err := readSpecs(edited, ref.Project)
	if err != nil {
		return err
	}
	if len(specs.Volumes) > 0 || len(specs.Containers) != 1 || specs.Containers[0].Ref() != ref {
		return usage("the text has to be about %s alone; 'lodge rename' and 'lodge move' change what it is called", ref)
	}
	plan, err := api.PlanSpecs(c.Context, specs)
	if err != nil {
		return err
	}
	for _, step := range plan.Steps {
		if step.Revision != 0 && step.Revision != before.Revision {
			return inventory.Errorf(inventory.ErrStale,
				"%s changed meanwhile: you saw revision %d, it is at %d; look again and repeat", ref,
				before.Revision, step.Revision)
		}
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	return applyPlan(c, api, plan)
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
