package main

import (
	"bytes"
	"encoding/csv"
	"testing"
)

// TestCSV: what is read back is what was written, and nothing a spreadsheet would compute.
func TestCSV(t *testing.T) {
	columns := []column[string]{{"name", false, func(string) string { return "web1" }}, {"purpose", false, func(s string) string { return s }}}
	for cell, want := range map[string]string{
		`=HYPERLINK("http://evil.example";"x")`: `'=HYPERLINK("http://evil.example";"x")`,
		"+1+cmd|' /C calc'!A0":                  "'+1+cmd|' /C calc'!A0",
		"-1-1":                                  "'-1-1", "@SUM(A1)": "'@SUM(A1)",
		"-5": "-5", "3.5": "3.5", "": "", "a,b": "a,b", `say "hi"`: `say "hi"`, "a=b": "a=b", "Köln ☂": "Köln ☂", "two\nlines": "two?lines",
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
