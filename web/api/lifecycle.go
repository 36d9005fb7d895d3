package api

import "lodge/inventory"

type createInput struct {
	Start bool `query:"start" doc:"Start it as well: container.launch."`
	Options
	Body *inventory.CreateArgs
}

func (in *createInput) asked() asked {
	want := asked{args: given(in.Body), options: in.Options}
	if in.Start {
		want.verb = "container.launch"
	}
	return want
}

type deleteInput struct {
	Target
	Purge bool `query:"purge" doc:"For good, without the trash: container.purge."`
	Options
}

func (in *deleteInput) asked() asked {
	want := asked{ref: in.ref(), args: Nothing{}, options: in.Options}
	if in.Purge {
		want.verb, want.args = "container.purge", inventory.PurgeArgs{Direct: true}
	}
	return want
}

// containerMutations registers what changes containers.
func (a *API) containerMutations() {
	at := func(verb, method, rest, summary string) route {
		return route{verb: verb, method: method, path: "/v1/containers" + rest, summary: summary,
			tag: "containers"}
	}
	mutate[createInput](a, at("container.create", "POST", "", "Create a container"), true,
		map[string]string{"start=true": "container.launch"})
	mutate[onContainer[inventory.UpdateArgs]](a, at("container.update", "PATCH", "/{name}",
		"Change a container's fields, labels and settings"), true, nil)
	mutate[deleteInput](a, at("container.delete", "DELETE", "/{name}",
		"Move a container to the trash"), false,
		map[string]string{"purge=true": "container.purge"})

	for _, verb := range []struct{ name, summary string }{
		{"start", "Start a container"}, {"kill", "End a container's init at once"},
		{"freeze", "Stop all processes where they are"}, {"unfreeze", "Let a frozen container go on"},
		{"purge",
			"Remove a container that is in the trash for good, with its data"},
	} {
		mutate[onContainer[Nothing]](a, at("container."+verb.name, "POST", "/{name}/"+verb.name,
			verb.summary), false, nil)
	}
	mutate[onContainer[inventory.RestoreArgs]](a, at("container.restore", "POST", "/{name}/restore",
		"Take a container out of the trash"), false, nil)
	mutate[onContainer[inventory.StopArgs]](a, at("container.stop", "POST", "/{name}/stop",
		"Ask init to shut down"), false, nil)
	mutate[onContainer[inventory.StopArgs]](a, at("container.restart", "POST", "/{name}/restart",
		"Stop and start a container"), false, nil)
	mutate[onContainer[inventory.MoveArgs]](a, at("container.move", "POST", "/{name}/move",
		"Move a container to another pool"), true, nil)
	mutate[onContainer[inventory.MoveArgs]](a, at("container.move.tidy", "POST", "/{name}/move/tidy",
		"Remove what a move has left in a pool"), true, nil)
	mutate[onContainer[inventory.RenameArgs]](a, at("container.rename", "POST", "/{name}/rename",
		"Give a container another name"), true, nil)
	mutate[onContainer[inventory.MoveProjectArgs]](a, at("container.move-project", "POST",
		"/{name}/move-project", "Give a stopped container to another project"), true, nil)
	mutate[onContainer[inventory.CloneArgs]](a, at("container.clone", "POST", "/{name}/clone",
		"Make a new container from one"), true, nil)
	mutate[onContainer[inventory.RevertArgs]](a, at("container.revert", "POST", "/{name}/revert",
		"Go back to the desired state of an earlier revision"), true, nil)
}
