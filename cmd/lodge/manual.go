package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func manualCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "version", Category: "Help", Usage: "the version of the command line and of the agent", Action: showVersion},
		{Name: "completion", Category: "Help", Usage: "completion for a shell: bash, zsh or fish", ArgsUsage: "SHELL",
			Description: "Example: lodge completion bash > /etc/bash_completion.d/lodge", Action: completion},
		{Name: "man", Hidden: true, Usage: "the manual page", Action: manualPage},
	}
}

func showVersion(c *cli.Context) error {
	fmt.Fprintln(c.App.Writer, "lodge ", version)
	ctx, cancel := context.WithTimeout(c.Context, 2*time.Second)
	defer cancel()
	v, err := read(c, func(api *client.Client) (wire.Version, error) { return api.Version(ctx) })
	if err != nil {
		fmt.Fprintln(c.App.Writer, "lodged", "not reached")
		return nil
	}
	fmt.Fprintln(c.App.Writer, "lodged", v.Version)
	return nil
}

func manualPage(c *cli.Context) error {
	page, err := c.App.ToManWithSection(8)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.App.Writer, page)
	return err
}

// The scripts ask the program itself, so that names are those of this moment.
var completions = map[string]string{
	"bash": `_lodge() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  local words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null | cut -d: -f1)" -- "$cur"))
}
complete -o default -F _lodge lodge
`,
	"zsh": `#compdef lodge
_lodge() {
  local -a opts
  opts=("${(@f)$(${words[@]:0:#words[@]-1} --generate-bash-completion 2>/dev/null)}")
  _describe 'values' opts
}
compdef _lodge lodge
`,
	"fish": `function __lodge_complete
    set -l words (commandline -opc)
    $words --generate-bash-completion 2>/dev/null | string split -m1 -f1 :
end
complete -c lodge -f -a '(__lodge_complete)'
`,
}

func completion(c *cli.Context) error {
	script, ok := completions[c.Args().First()]
	if !ok {
		return usage("completion needs the name of a shell: bash, zsh or fish")
	}
	_, err := fmt.Fprint(c.App.Writer, script)
	return err
}

// completeTimeout bounds how long a Tab may take.
const completeTimeout = 2 * time.Second

func completeContainers(c *cli.Context) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	all, _ := read(c, func(api *client.Client) ([]wire.Container, error) {
		return api.AllContainers(ctx, client.ContainerQuery{Project: orDefault(c.String("project"))})
	})
	for _, w := range all {
		fmt.Fprintln(c.App.Writer, w.Name)
	}
}

func completeImages(c *cli.Context) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	all, _ := read(c, func(api *client.Client) ([]wire.Image, error) { return api.Images(ctx) })
	for _, i := range all {
		for _, alias := range i.Aliases {
			fmt.Fprintln(c.App.Writer, alias)
		}
	}
}

func orDefault(project string) string {
	if project == "" {
		return inventory.DefaultProject
	}
	return project
}
