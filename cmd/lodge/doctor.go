package main

import "github.com/urfave/cli/v2"

func doctorCommands() []*cli.Command { return nil }
