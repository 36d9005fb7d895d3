package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"lodge/web/client"
)

func eventCommands() []*cli.Command {
	return []*cli.Command{{Name: "event", Category: "Work", Usage: "what happens",
		Subcommands: []*cli.Command{
			{Name: "tail", Usage: "follow events, also over a restart of the agent", Action: tailEvents,
				Flags: []cli.Flag{
					&cli.Int64Flag{Name: "after", Value: -1,
						Usage: "first replay what came after number `SEQ`; 0 for all that is kept"},
					&cli.StringFlag{Name: "type", Usage: "only of `TYPE`, or beginning with it: operation."}}},
		}}}
}

func tailEvents(c *cli.Context) error {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	line := jsonLines(c.App.Writer)
	for e, err := range api.Events(c.Context, client.EventQuery{After: c.Int64("after"),
		Project: c.String("project"), Type: c.String("type")}) {
		if err != nil {
			return err
		}
		if structured(c) { // one object per line, since there is no end
			if err := line.Encode(e); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(c.App.Writer, "%d  %s  %-20s %s %s\n", e.Seq, when(e.At), e.Type,
			printable(e.Name), printable(string(e.Data)))
	}
	return nil
}
