package guest

import (
	"bytes"
	"slices"
	"strconv"
)

// A table is one of the files of accounts: lines of fields with colons between.
type table struct {
	text  []byte
	there bool // the container has the file
}

// fieldsOf are the fields of a line; nil for what the C library skips: empty lines, comments, and what
// has no field but its first.
func fieldsOf(line []byte) [][]byte {
	line = bytes.TrimLeft(bytes.TrimRight(line, "\n"), " \t\r\f\v") // as fgetpwent(3) does
	if len(line) == 0 || line[0] == '#' || !bytes.Contains(line, []byte(":")) {
		return nil
	}
	return bytes.Split(line, []byte(":"))
}

// find returns the lines whose field says value, with their number.
func (t table) find(field int, says func([]byte) bool) (found []entry) {
	n := 0
	for line := range bytes.Lines(t.text) {
		if f := fieldsOf(line); len(f) > field && says(f[field]) {
			found = append(found, entry{n, f})
		}
		n++
	}
	return found
}

// An entry is a line that was found.
type entry struct {
	number int // from 0
	fields [][]byte
}

func (e entry) field(n int) string {
	if n >= len(e.fields) {
		return ""
	}
	return string(e.fields[n])
}

// named returns the lines of a name.
func (t table) named(name string) []entry {
	return t.find(0, func(f []byte) bool { return string(f) == name })
}

// numbered returns the lines whose third field is that uid or gid.
func (t table) numbered(id int) []entry {
	return t.find(2, func(f []byte) bool { return isNumber(f, id) })
}

// isNumber reads a number as strtoul(3) does, by which the C library reads these files.
func isNumber(text []byte, want int) bool {
	n, err := strconv.ParseUint(string(bytes.TrimPrefix(bytes.TrimLeft(text, " \t\r\f\v"), []byte("+"))), 10, 64)
	return err == nil && n == uint64(want)
}

// add appends a line. A last line that was not ended is ended first, or ours would be part of it.
func (t table) add(line string) table {
	text := slices.Clone(t.text)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return table{append(text, line+"\n"...), true}
}

// set replaces fields of one line, which gets as many as it needs; every other byte stays.
func (t table) set(e entry, least int, values map[int]string) table {
	var text []byte
	n := 0
	for line := range bytes.Lines(t.text) {
		if n == e.number {
			line = edited(line, e.fields, least, values)
		}
		text = append(text, line...)
		n++
	}
	return table{text, t.there}
}

func edited(line []byte, fields [][]byte, least int, values map[int]string) []byte {
	fields = slices.Clone(fields)
	for len(fields) < least {
		fields = append(fields, nil)
	}
	for n, value := range values {
		fields[n] = []byte(value)
	}
	out := bytes.Join(fields, []byte(":"))
	if bytes.HasSuffix(line, []byte("\n")) {
		out = append(out, '\n')
	}
	return out
}
