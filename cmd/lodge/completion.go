package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
)

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

// complete prints what ask finds, a name per line. A Tab shows no errors.
func complete(c *cli.Context, ask func(context.Context, *client.Client) ([]string, error)) {
	ctx, cancel := context.WithTimeout(c.Context, completeTimeout)
	defer cancel()
	names, _ := read(c, func(api *client.Client) ([]string, error) { return ask(ctx, api) })
	for _, name := range names {
		fmt.Fprintln(c.App.Writer, name)
	}
}

func completeContainers(c *cli.Context) { completeNames(c, false) }

func completeTrash(c *cli.Context) { completeNames(c, true) }

func completeNames(c *cli.Context, trash bool) {
	complete(c, func(ctx context.Context, api *client.Client) (names []string, err error) {
		all, err := api.AllContainers(ctx, client.ContainerQuery{Project: project(c), Trash: trash})
		for _, w := range all {
			names = append(names, w.Name)
		}
		return names, err
	})
}

func completeImages(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (names []string, err error) {
		all, err := api.Images(ctx)
		for _, i := range all {
			names = append(names, i.Aliases...)
		}
		return names, err
	})
}

func completeSessions(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (ids []string, err error) {
		all, err := sessions(ctx, api, true)
		for _, s := range all {
			ids = append(ids, string(s.ID))
		}
		return ids, err
	})
}

func completeOperations(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (ids []string, err error) {
		page, err := api.Operations(ctx, client.OperationQuery{State: inventory.OperationRunning})
		for _, o := range page.Items {
			ids = append(ids, string(o.ID))
		}
		return ids, err
	})
}

func completeChanges(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (ids []string, err error) {
		page, err := api.Changes(ctx, client.ChangeQuery{State: client.Waiting})
		for _, h := range page.Items {
			ids = append(ids, changeNumber(h))
		}
		return ids, err
	})
}

// completeCommands offers the commands there is help for.
func completeCommands(c *cli.Context) {
	for _, cmd := range c.App.VisibleCommands() {
		fmt.Fprintln(c.App.Writer, cmd.Name)
	}
}

func completeShells(c *cli.Context) {
	for shell := range completions {
		fmt.Fprintln(c.App.Writer, shell)
	}
}
