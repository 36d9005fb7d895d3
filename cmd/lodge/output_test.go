package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"
)

// TestCSV: what is read back is what was written, and nothing a spreadsheet would compute.
func TestCSV(t *testing.T) {
	columns := []column[string]{{"name", false, func(string) string { return "web1" }}, {"purpose", false, func(s string) string { return s }}}
	for cell, want := range map[string]string{
		`=HYPERLINK("http://evil.example";"x")`: `'=HYPERLINK("http://evil.example";"x")`,
		"+1+cmd|' /C calc'!A0":                  "'+1+cmd|' /C calc'!A0",
		"-1-1":                                  "'-1-1", "@SUM(A1)": "'@SUM(A1)",
		"-5": "-5", "3.5": "3.5", "": "", "a,b": "a,b", `say "hi"`: `say "hi"`, "a=b": "a=b", "Köln ☂": "Köln ☂", "two\nlines": `two\nlines`,
	} {
		var b bytes.Buffer
		if err := printCSV(&b, []string{cell}, columns); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 2 || rows[1][0] != "web1" || rows[1][1] != want {
			t.Errorf("%q is read back as %q, %v", cell, rows, err)
		}
	}
}

// TestNothingSteersTheTerminal: whatever the way out, a hostile name is text that can be seen, and what a
// program reads back from JSON and YAML is what it was.
func TestNothingSteersTheTerminal(t *testing.T) {
	type thing struct {
		Name string `json:"name"`
	}
	hostile := []thing{{"\x1b]0;owned\x07\x1b[2J"}, {"a\u202etxt.exe"}, {"\u009b31m"}, {"del\x7f"}, {"tag\U000e0041"}, {"zero\u200bwidth"},
		{"line\u2028end"}, {"two\r\nlines"}, {"=1+1"}, {strings.Repeat("\x1b[31m", 1<<18)}}
	columns := []column[thing]{{"name", false, func(v thing) string { return v.Name }}, {"again", false, func(v thing) string { return v.Name }}}
	for _, format := range [][]string{{"table"}, {"wide"}, {"csv"}, {"json"}, {"yaml"}, {"table", "--quiet"}} {
		var b bytes.Buffer
		app := &cli.App{Writer: &b, Flags: []cli.Flag{&cli.StringFlag{Name: "output"}, &cli.BoolFlag{Name: "quiet"}},
			Action: func(c *cli.Context) error {
				if err := printList(c, hostile, columns); err != nil {
					return err
				}
				printFields(c.App.Writer, []field{{"name", hostile[0].Name}, {"other", hostile[1].Name}})
				return nil
			}}
		if err := app.Run(append([]string{"x", "--output"}, format...)); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && isUnseen(r) }); i >= 0 {
			t.Errorf("%v lets %q out", format, b.String()[i:i+8])
		}
	}
	for _, v := range hostile {
		var b bytes.Buffer
		var back thing
		if err := jsonLines(&b).Encode(v); err != nil || json.Unmarshal(b.Bytes(), &back) != nil || back != v {
			t.Errorf("%.20q came back as %.20q, %v", v.Name, back.Name, err)
		}
		b.Reset()
		again := map[string]string{}
		want := map[string]string{v.Name: v.Name, "note": v.Name + "\nand\ta second line"}
		if err := errors.Join(writeYAML(&b, want), yaml.Unmarshal(b.Bytes(), &again)); err != nil || !maps.Equal(again, want) {
			t.Errorf("%.20q came back from YAML as %.60q, %v", v.Name, fmt.Sprint(again), err)
		}
		if i := strings.IndexFunc(b.String(), isHidden); i >= 0 {
			t.Errorf("YAML lets %q out", b.String()[i:i+8])
		}
	}
	if got := printable("a\x1b[2J\u202eb"); got != `a\x1b[2J\u202eb` {
		t.Errorf("it is shown as %s", got)
	}
}
