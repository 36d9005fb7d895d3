package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"

	"lodge/inventory"
)

// A column is one column of a table: its head, whether only -o wide shows it, and its cell.
type column[T any] struct {
	head string
	wide bool
	cell func(T) string
}

// printList writes items in the format the caller wants. JSON and YAML are exactly what the API
// returns; tables and CSV are the columns.
func printList[T any](c *cli.Context, items []T, columns []column[T]) error {
	out := c.App.Writer
	switch c.String("output") {
	case "json", "yaml":
		if items == nil {
			items = []T{}
		}
		return printValue(c, items)
	case "csv":
		return printCSV(out, items, columns)
	}
	if len(items) == 0 {
		return nil
	}
	if c.Bool("quiet") { // names alone, one per line, for other programs
		for _, item := range items {
			fmt.Fprintln(out, printable(columns[0].cell(item)))
		}
		return nil
	}
	shown := visible(columns, c.String("output") == "wide")
	t := newTable(shown)
	paint := painter(c)
	for _, item := range items {
		row := cells(item, shown)
		for i, col := range shown {
			if col.head == "state" || col.head == "verdict" {
				row[i] = paint(row[i].(string))
			}
		}
		t.AppendRow(row)
	}
	fmt.Fprintln(out, t.Render())
	return nil
}

func visible[T any](columns []column[T], wide bool) (shown []column[T]) {
	for _, col := range columns {
		if wide || !col.wide {
			shown = append(shown, col)
		}
	}
	return shown
}

func cells[T any](item T, columns []column[T]) table.Row {
	row := make(table.Row, len(columns))
	for i, col := range columns {
		row[i] = printable(col.cell(item))
	}
	return row
}

func newTable[T any](columns []column[T]) table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	head := make(table.Row, len(columns))
	for i, col := range columns {
		head[i] = col.head
	}
	t.AppendHeader(head)
	return t
}

// printCSV writes a table as RFC 4180 has it, with bare newlines. What a spreadsheet would take for a formula begins
// with an apostrophe, which spreadsheets don't show: whoever named a purpose must not compute in it.
func printCSV[T any](out io.Writer, items []T, columns []column[T]) error {
	w := csv.NewWriter(out)
	head := make([]string, len(columns))
	for i, col := range columns {
		head[i] = col.head
	}
	w.Write(head)
	for _, item := range items {
		row := make([]string, len(columns))
		for i, cell := range cells(item, columns) {
			row[i] = noFormula(cell.(string))
		}
		w.Write(row)
	}
	w.Flush()
	return w.Error()
}

// noFormula marks what begins as formulas do (OWASP, CSV injection); numbers are left alone.
func noFormula(cell string) string {
	if _, err := strconv.ParseFloat(cell, 64); err == nil || cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	return "'" + cell
}

// printValue writes one value as JSON, or as YAML with the same field names.
func printValue(c *cli.Context, v any) error {
	out := c.App.Writer
	if c.String("output") != "yaml" {
		e := jsonLines(out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return err
	}
	return writeYAML(out, plain)
}

// structured reports whether the caller wants data rather than text.
func structured(c *cli.Context) bool {
	f := c.String("output")
	return f == "json" || f == "yaml"
}

// A field is one line of a description.
type field struct{ name, value string }

// printFields writes a description: names left, values right, empty ones left out.
func printFields(out io.Writer, fields []field) {
	width := 0
	for _, f := range fields {
		if f.value != "" {
			width = max(width, len(f.name))
		}
	}
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(out, "%-*s  %s\n", width, f.name, printable(f.value))
		}
	}
}

// bytesText writes an amount for people, "" for none.
func bytesText(n int64) string {
	if n <= 0 {
		return ""
	}
	return inventory.Bytes(n).String()
}

// yes writes a truth for people.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// when writes a moment in the reader's zone, "" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// ago writes how long something has been, coarsely: 3d, 4h, 12m, 5s.
func ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return coarsely(max(0, time.Since(t)))
}

// coarsely writes a length of time in one unit.
func coarsely(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}
