package main

import (
	"os"

	"github.com/urfave/cli/v2"
)

// painter returns what paints a state or verdict, where the terminal can show it and the reader
// wants it (no-color.org).
func painter(c *cli.Context) func(string) string {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !isTerminal(c.App.Writer) {
		return func(s string) string { return s }
	}
	return func(s string) string {
		if colour, ok := colours[s]; ok {
			return "\x1b[" + colour + "m" + s + "\x1b[0m"
		}
		return s
	}
}

// colours are SGR parameters (ECMA-48, 8.3.117): green, yellow, red.
var colours = map[string]string{
	"running": "32", "done": "32", "ok": "32",
	"frozen": "33", "undoing": "33", "submitted": "33", "warn": "33",
	"error": "31", "failed": "31", "fail": "31",
}
