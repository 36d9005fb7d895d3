package inventory

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// fieldKind decides which operators a field takes and how its values compare.
type fieldKind int

const (
	fieldText fieldKind = iota
	fieldAddress
	fieldBytes
	fieldNumber
	fieldDuration
	fieldTime
	fieldLeft // a time, compared by how far ahead it is
)

// filterField describes a field.
type filterField struct {
	name   string
	kind   fieldKind
	values []string // the only ones there are, when not empty
}

// comparison is one test of a filter.
type comparison struct {
	field string
	kind  fieldKind
	op    string
	value string

	amount float64      // of sizes, numbers, durations
	prefix netip.Prefix // of addresses
}

// comparisonError says which half of a comparison is wrong.
type comparisonError struct {
	err     error
	atValue bool
}

// newComparison checks operator and value against the field.
func newComparison(f filterField, op, value string) (comparison, *comparisonError) {
	c := comparison{field: f.name, kind: f.kind, op: op, value: value}
	isText := f.kind == fieldText || f.kind == fieldAddress
	switch {
	case isText && strings.ContainsAny(op, "<>"):
		return c, &comparisonError{Errorf(ErrInvalid, "%s has no order; use = != or ~", f.name), false}
	case !isText && op == "~":
		return c, &comparisonError{Errorf(ErrInvalid, "%s is no text; use = != > >= < or <=",
			f.name), false}
	case value == "" && op != "=" && op != "!=":
		return c, &comparisonError{Errorf(ErrInvalid, `"" can be compared with = and != only`), true}
	case value == "" || op == "~":
		return c, nil
	}
	if len(f.values) > 0 && !slices.ContainsFunc(f.values,
		func(v string) bool { return strings.EqualFold(v, value) }) {
		return c, &comparisonError{Errorf(ErrInvalid, "%s is one of %s, never %q", f.name,
			strings.Join(f.values, ", "), value), true}
	}
	if err := c.read(); err != nil {
		return c, &comparisonError{err, true}
	}
	return c, nil
}

// read parses the value as one of the field's kind.
func (c *comparison) read() (err error) {
	switch c.kind {
	case fieldAddress:
		if c.prefix, err = parsePrefix(c.value); err != nil {
			return Errorf(ErrInvalid, "%q is no address; write it like 10.86.0.7 or 10.86.0.0/24", c.value)
		}
	case fieldTime:
		_, _, err = timeRange(c.value, time.Now())
	case fieldLeft:
		c.amount, err = readAmount(fieldDuration, c.value)
	case fieldBytes, fieldNumber, fieldDuration:
		c.amount, err = readAmount(c.kind, c.value)
	}
	return err
}

func readAmount(kind fieldKind, text string) (float64, error) {
	switch kind {
	case fieldBytes:
		if text == "0" {
			return 0, nil
		}
		b, err := ParseBytes(text)
		return float64(b), err
	case fieldDuration:
		d, err := ParseDuration(text)
		return float64(d), err
	}
	_, n, err := Setting{Type: TypeCPUs}.parseNumber(text)
	return n, err
}

// match compares a subject's value, "" when it isn't set.
func (c *comparison) match(have string, now time.Time) bool {
	if have == "" || c.value == "" {
		return c.op == "=" && have == c.value || c.op == "!=" && have != c.value
	}
	switch c.kind {
	case fieldText:
		return c.matchText(have)
	case fieldAddress:
		return c.matchAddress(have)
	case fieldTime:
		return c.matchTime(have, now)
	case fieldLeft:
		t, err := time.Parse(time.RFC3339Nano, have)
		left := float64(t.Sub(now))
		return err == nil && holds(c.op, left < c.amount, left > c.amount)
	}
	n, err := readAmount(c.kind, have)
	if err != nil {
		return c.op == "!="
	}
	return holds(c.op, n < c.amount, n > c.amount)
}

// holds evaluates an operator given how two values stand to each other.
func holds(op string, less, greater bool) bool {
	switch op {
	case "=":
		return !less && !greater
	case "!=":
		return less || greater
	case "<":
		return less
	case "<=":
		return !greater
	case ">":
		return greater
	}
	return !less // >=
}

func (c *comparison) matchText(have string) bool {
	if c.op != "~" {
		return strings.EqualFold(have, c.value) == (c.op == "=")
	}
	have, want := strings.ToLower(have), strings.ToLower(c.value)
	if !strings.ContainsAny(want, "*?") {
		return strings.Contains(have, want)
	}
	return fits(want, have)
}

// fits reports whether the pattern fits the whole text: * is any number of characters, ? is one.
// It goes back to the last * only, so the time is at most the product of the lengths.
func fits(pattern, text string) bool {
	p, s := []rune(pattern), []rune(text)
	star, mark := -1, 0
	i, k := 0, 0
	for k < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, k
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[k]):
			i, k = i+1, k+1
		case star >= 0:
			mark++
			i, k = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// matchAddress compares with each of a subject's addresses; != means none of them.
func (c *comparison) matchAddress(have string) bool {
	if c.op == "~" {
		return c.matchText(have)
	}
	among := slices.ContainsFunc(strings.Fields(have), func(text string) bool {
		a, err := netip.ParseAddr(text)
		return err == nil && c.prefix.Contains(a.Unmap())
	})
	return among == (c.op == "=")
}

func parsePrefix(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, ErrInvalid
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func (c *comparison) matchTime(have string, now time.Time) bool {
	t, err := time.Parse(time.RFC3339Nano, have)
	from, to, err2 := timeRange(c.value, now)
	if err != nil || err2 != nil {
		return c.op == "!="
	}
	return holds(c.op, t.Before(from), !t.Before(to))
}

// timeRange returns the first instant that the text names and the first one after it.
func timeRange(text string, now time.Time) (from, to time.Time, err error) {
	from, err = ParseTime(text, now)
	if err != nil {
		if _, derr := ParseDuration(text); derr == nil {
			err = Errorf(ErrInvalid,
				"%q is a duration, not a time; write \"%s ago\" with the quotes", text, text)
		}
		return from, from, err
	}
	switch {
	case strings.HasSuffix(text, " ago"):
		return from, from.Add(time.Nanosecond), nil
	case len(text) == len("2006-01-02"):
		return from, from.AddDate(0, 0, 1), nil // a day may have 23 or 25 hours
	case len(text) == len("2006-01-02 15:04"):
		return from, from.Add(time.Minute), nil
	case !strings.Contains(text, "."):
		return from, from.Add(time.Second), nil
	}
	return from, from.Add(time.Nanosecond), nil
}
