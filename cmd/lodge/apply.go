package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// maxSpec is how much of a spec file is read.
const maxSpec = 16 << 20

func applyCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "apply", Category: "Containers", Usage: "make containers and volumes what a file says",
			Description: "The file is YAML: a container or volume (kind: volume) per document, or lists of them. What a\n" +
				"spec leaves out is unset, and devices it leaves out are taken away after a question;\n" +
				"containers and volumes that are not in the file are left alone. The whole difference is\n" +
				"shown before anything happens. Interrupted, it is applied again and goes on with the rest.",
			Flags: mutationFlags(&cli.StringFlag{Name: "file", Aliases: []string{"f"},
				Usage: "the spec `FILE`, - for standard input"}),
			Action: applyFile},
		{Name: "export-spec", Category: "Containers", Usage: "write containers and their volumes as apply reads them",
			ArgsUsage: "NAME...",
			Flags: []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "every container and volume of the project"},
				allProjects()},
			Action: exportSpec, BashComplete: completeContainers},
	}
}

func applyFile(c *cli.Context) error {
	if c.String("file") == "" {
		return usage("apply needs -f FILE, or -f - for standard input")
	}
	text, err := specText(c)
	if err != nil {
		return err
	}
	specs, err := readSpecs(text, project(c))
	if err != nil {
		return err
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	plan, err := api.PlanSpecs(c.Context, specs)
	if err != nil {
		return err
	}
	return applyPlan(c, api, plan)
}

func specText(c *cli.Context) ([]byte, error) {
	text, err := readFile(c, c.String("file"), maxSpec+1)
	if err == nil && len(text) > maxSpec {
		err = usage("the spec is larger than %s; apply it in parts", inventory.Bytes(maxSpec))
	}
	return text, err
}

// applyPlan shows the difference and begins its operations, each when the one before has ended well.
func applyPlan(c *cli.Context, api *client.Client, plan inventory.SpecPlan) error {
	if c.Bool("no-wait") {
		return usage("apply waits for each step before the next; leave out --no-wait")
	}
	if err := printSpecPlan(c, plan); err != nil || c.Bool("plan") {
		return err
	}
	if lost := plan.TakenAway(); len(lost) > 0 {
		if err := confirm(c, "take away "+strings.Join(lost, ", ")); err != nil {
			return err
		}
	}
	s := &settling{Context: c, api: api, many: len(plan.Steps) > 1}
	for i, step := range plan.Steps {
		s.end = finished(step)
		answer, err := begin(c, api, step.Name, func(ctx context.Context, api *client.Client, _ string,
			o client.Options) (client.Answer, error) {
			return api.Step(ctx, step, o)
		})
		if err == nil {
			err = s.settle(answer, step.Name)
		}
		if err != nil {
			return stopped(c, err, i, len(plan.Steps))
		}
	}
	return nil
}

// finished says how a step ended.
func finished(step inventory.SpecStep) ending {
	switch step.Verb {
	case "container.launch":
		return made(true)
	case "container.create":
		return made(false)
	case "container.start":
		return is("runs")
	case "container.stop":
		return is("is stopped")
	case "container.device.add":
		return is("has device " + step.Device.Name)
	case "container.device.remove":
		return is("has device " + step.Device.Name + " no more")
	case "volume.create":
		return says("volume " + step.Name + " is made")
	case "volume.resize", "volume.update":
		return says("volume " + step.Name + " is changed")
	}
	return is("is changed")
}

// stopped adds to what went wrong how far it came.
func stopped(c *cli.Context, err error, done, steps int) error {
	if steps == 1 {
		return err
	}
	text := fmt.Sprintf("%d of %d steps are done; the same apply again goes on with the rest", done, steps)
	if errors.As(err, new(codeError)) || errors.Is(err, context.Canceled) {
		fmt.Fprintln(c.App.ErrWriter, text)
		return err
	}
	return fmt.Errorf("%w; %s", err, text)
}

// printSpecPlan shows everything that is to change.
func printSpecPlan(c *cli.Context, plan inventory.SpecPlan) error {
	if structured(c) {
		if c.Bool("plan") {
			return printValue(c, plan)
		}
		return nil
	}
	if c.Bool("quiet") {
		return nil
	}
	out := c.App.Writer
	for _, step := range plan.Steps {
		fmt.Fprintf(out, "%s %s", step.Verb, nameHere(c, wire.Container{Project: step.Project, Name: step.Name}))
		if step.Revision > 0 {
			fmt.Fprintf(out, " (revision %d)", step.Revision)
		}
		fmt.Fprintln(out)
		for _, e := range step.Effects {
			printEffect(out, e)
		}
	}
	if len(plan.Steps) == 0 {
		fmt.Fprintf(out, "nothing to change: %d as the spec says\n", plan.Unchanged)
	}
	return nil
}

func exportSpec(c *cli.Context) error {
	every := c.Bool("all") || c.Bool("all-projects")
	if every == (c.NArg() > 0) {
		return usage("export-spec needs the names of containers, or --all, not both")
	}
	found, err := read(c, func(api *client.Client) (wire.SpecPage, error) { return specsOf(c, api) })
	if err != nil {
		return err
	}
	specs := inventory.Specs{Volumes: found.Volumes}
	for _, s := range found.Items {
		specs.Containers = append(specs.Containers, s.Spec)
	}
	if structured(c) && c.String("output") != "yaml" {
		return printValue(c, entries(specs))
	}
	return writeSpecs(c.App.Writer, specs)
}

// specsOf finds what a command names, sorted by project and name.
func specsOf(c *cli.Context, api *client.Client) (all wire.SpecPage, err error) {
	if c.NArg() == 0 {
		return api.Specs(c.Context, listed(c))
	}
	seen := map[inventory.Ref]bool{}
	for _, name := range c.Args().Slice() {
		r := ref(c, name)
		some, err := api.Specs(c.Context, r.Project, r.Name)
		if err != nil {
			return all, err
		}
		for _, s := range some.Items {
			if !seen[s.Spec.Ref()] {
				all.Items = append(all.Items, s)
			}
			seen[s.Spec.Ref()] = true
		}
		for _, v := range some.Volumes {
			if !slices.ContainsFunc(all.Volumes, func(o inventory.VolumeSpec) bool { return o.Ref() == v.Ref() }) {
				all.Volumes = append(all.Volumes, v)
			}
		}
	}
	inventory.SortVolumeSpecs(all.Volumes)
	return all, nil
}
