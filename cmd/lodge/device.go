package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func deviceCommands() []*cli.Command {
	return []*cli.Command{{Name: "device", Category: "Devices", Usage: "what a container has of the host",
		Subcommands: []*cli.Command{
			{Name: "add", Usage: "give a container a device, at once if it runs", ArgsUsage: "NAME DEVICE TYPE KEY=VALUE...",
				Description: "Types: disk (volume=NAME or source=FOLDER, path=PATH, readonly=true), tmpfs (path=PATH, size=SIZE, mode=0755),\n" +
					"nic (network=NAME, ip=ADDRESS, interface=NAME, nictype=p2p); the manual has all of them.\n" +
					"A folder of the host has to lie beneath the host's setting storage.host_paths.",
				Flags: mutationFlags(), Action: addDevice, BashComplete: completeContainers},
			{Name: "remove", Aliases: []string{"rm"}, Usage: "take devices away, at once if the container runs",
				ArgsUsage: "NAME DEVICE...", Flags: mutationFlags(), Action: removeDevices, BashComplete: completeContainers},
			{Name: "list", Aliases: []string{"ls"}, Usage: "list a container's devices", ArgsUsage: "NAME",
				Action: listDevices, BashComplete: completeContainers},
		}}}
}

func addDevice(c *cli.Context) error {
	if c.NArg() < 3 {
		return usage("device add needs NAME, DEVICE and TYPE, like: lodge device add web1 scratch tmpfs path=/scratch size=64MiB")
	}
	properties, err := pairs("device add", c.Args().Slice()[3:])
	if err != nil {
		return err
	}
	d := inventory.Device{Name: c.Args().Get(1), Type: c.Args().Get(2), Properties: properties}
	return mutateEach(c, []string{c.Args().First()}, is("has device "+d.Name),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.AddDevice(ctx, ref(c, name), d, o)
		})
}

func removeDevices(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage("device remove needs NAME and at least one DEVICE")
	}
	for _, device := range c.Args().Tail() { // one after the other: a container takes one operation at a time
		err := mutateEach(c, []string{c.Args().First()}, is("has device "+device+" no more"),
			func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
				return api.RemoveDevice(ctx, ref(c, name), device, o)
			})
		if err != nil {
			return err
		}
	}
	return nil
}

func listDevices(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("device list needs the name of a container")
	}
	all, err := read(c, func(api *client.Client) ([]wire.ContainerDevice, error) {
		return api.Devices(c.Context, ref(c, c.Args().First()))
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.ContainerDevice]{
		{"name", false, func(d wire.ContainerDevice) string { return d.Name }},
		{"type", false, func(d wire.ContainerDevice) string { return d.Type }},
		{"properties", false, func(d wire.ContainerDevice) string { return strings.TrimPrefix(d.String(), d.Type+" ") }},
		{"trouble", false, func(d wire.ContainerDevice) string { return trouble(d.State) }},
	})
}

// trouble says that a device's process ended and was started again.
func trouble(s *inventory.DeviceState) string {
	if s == nil {
		return ""
	}
	text := fmt.Sprintf("started again %d times", s.Restarts)
	if s.Restarts == 1 {
		text = "started again once"
	}
	if !s.RestartAt.IsZero() {
		text += ", next at " + when(s.RestartAt)
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// volumeFlags reads --volume NAME:/path[:ro] of launch and create.
func volumeFlags(values []string) (all []inventory.Device, err error) {
	for _, value := range values {
		name, path, readOnly, err := volumeAt(value)
		if err != nil {
			return nil, err
		}
		d := inventory.Device{Name: name, Type: "disk",
			Properties: map[string]string{inventory.PropertyVolume: name, inventory.PropertyPath: path}}
		if readOnly {
			d.Properties[inventory.PropertyReadOnly] = "true"
		}
		all = append(all, d)
	}
	return all, nil
}

// volumeAt reads "NAME:/path" or "NAME:/path:ro".
func volumeAt(text string) (name, path string, readOnly bool, err error) {
	name, path, ok := strings.Cut(text, ":")
	path, readOnly = strings.CutSuffix(path, ":ro")
	if !ok || name == "" || !strings.HasPrefix(path, "/") {
		return "", "", false, usage("%q is not NAME:/path or NAME:/path:ro", text)
	}
	return name, path, readOnly, nil
}
