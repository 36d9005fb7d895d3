package inventory

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	labelPrefix = "label."
	// maxFilter and maxFilterDepth bound what a stranger can make the parser do.
	maxFilter      = 4096
	maxFilterDepth = 64
)

var states = []string{string(StateStopped), string(StateStarting), string(StateRunning),
	string(StateStopping),
	string(StateAborting), string(StateFreezing), string(StateFrozen), string(StateThawed), string(StateError)}

// filterFields are those of every container; labels and settings come besides.
var filterFields = []filterField{
	{name: "name"}, {name: "project"}, {name: "owner"}, {name: "purpose"},
	{name: "env", values: environmentNames()}, {name: "class", values: DataClasses},
	{name: "state", values: states}, {name: "image"}, {name: "ticket"}, {name: "id"},
	{name: "orphaned", values: []string{"yes", "no"}},
	{name: "ip", kind: fieldAddress},
	{name: "cpus", kind: fieldNumber}, {name: "memory", kind: fieldBytes}, {name: "disk", kind: fieldBytes},
	{name: "created", kind: fieldTime}, {name: "updated", kind: fieldTime}, {name: "expires",
		kind: fieldTime}, {name: "lease", kind: fieldLeft},
}

func environmentNames() (names []string) {
	for _, e := range Environments {
		names = append(names, string(e))
	}
	return names
}

// otherWords are what people call a field elsewhere.
var otherWords = map[string]string{
	"environment": "env", "data_class": "class", "dataclass": "class", "status": "state", "address": "ip",
	"ipv4": "ip", "ipv6": "ip", "cpu": "cpus", "mem": "memory", "ram": "memory", "size": "disk", "storage": "disk",
	"template": "image", "os": "image", "created_at": "created", "updated_at": "updated", "user": "owner",
	"label": "label.KEY", "labels": "label.KEY", "tag": "label.KEY", "tags": "label.KEY", "expiry": "expires",
}

var settingKinds = map[SettingType]fieldKind{
	TypeBytes: fieldBytes, TypeCPUs: fieldNumber, TypeInt: fieldNumber, TypeDuration: fieldDuration,
}

// ParseFilter reads a filter over the fields that every container has, and labels. The error is
// ErrInvalid; it names the column, counted in characters from 1, and what would help.
func ParseFilter(text string) (Filter, error) { return Settings(nil).ParseFilter(text) }

// ParseFilter reads a filter that may also name the container settings of the table.
func (t Settings) ParseFilter(text string) (Filter, error) {
	if len(text) > maxFilter {
		return Filter{}, Errorf(ErrInvalid, "the filter has %d bytes, at most %d are read",
			len(text), maxFilter)
	}
	p := filterParser{text: text, settings: t}
	if p.skip(); p.pos == len(text) {
		return Filter{}, nil
	}
	root, err := p.join('|', 0)
	if err == nil && p.pos < len(text) {
		err = p.errorf(p.pos, "%s is in the way here; join comparisons with & or |", p.here())
	}
	if err != nil {
		return Filter{}, err
	}
	return Filter{root: root}, nil
}

// filterParser is a recursive descent over the grammar
//
//	or = and { "|" and } .  and = not { "&" not } .  not = "!" not | "(" or ")" | word op word .
type filterParser struct {
	text     string
	pos      int
	settings Settings
}

// join reads parts joined by op. Parts that are joined by the same op are taken in: (a & b) & c is
// a & b & c.
func (p *filterParser) join(op byte, depth int) (*filterNode, error) {
	var parts []*filterNode
	for {
		part, err := p.part(op, depth)
		if err != nil {
			return nil, err
		}
		if part.join == op {
			parts = append(parts, part.parts...)
		} else {
			parts = append(parts, part)
		}
		if !p.accept(op) {
			break
		}
		p.accept(op) // && and ||
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return &filterNode{join: op, parts: parts}, nil
}

func (p *filterParser) part(op byte, depth int) (*filterNode, error) {
	if op == '|' {
		return p.join('&', depth)
	}
	return p.not(depth)
}

func (p *filterParser) not(depth int) (*filterNode, error) {
	start := p.pos
	switch {
	case depth > maxFilterDepth:
		return nil, p.errorf(p.pos, "there are more than %d levels of parentheses", maxFilterDepth)
	case p.accept('!'):
		part, err := p.not(depth + 1)
		if err != nil {
			return nil, err
		}
		if part.join == '!' {
			return part.parts[0], nil
		}
		return &filterNode{join: '!', parts: []*filterNode{part}}, nil
	case p.accept('('):
		part, err := p.join('|', depth+1)
		if err == nil && !p.accept(')') {
			err = p.errorf(p.pos, "%s, but the parenthesis of column %d is still open", p.here(),
				p.column(start))
		}
		return part, err
	}
	return p.comparison()
}

func (p *filterParser) comparison() (*filterNode, error) {
	start := p.pos
	name, ok, err := p.word()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, p.errorf(start, "a comparison like env=prod has to stand here, not %s", p.here())
	}
	field, err := p.field(start, name)
	if err != nil {
		return nil, err
	}
	opAt := p.pos
	op := p.operator()
	if op == "" {
		return nil, p.errorf(opAt, "after %s one of = != > >= < <= ~ has to stand, not %s", name, p.here())
	}
	valueAt := p.pos
	value, ok, err := p.word()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, p.errorf(valueAt, `%s%s needs a value, not %s; quote it if it is meant: %s%s"..."`,
			name, op, p.here(), name, op)
	}
	c, wrong := newComparison(field, op, value)
	switch {
	case wrong == nil:
		return &filterNode{test: c}, nil
	case wrong.atValue:
		return nil, p.errorf(valueAt, "%w", wrong.err)
	}
	return nil, p.errorf(opAt, "%w", wrong.err)
}

// field finds the field of that name, or says which one may have been meant.
func (p *filterParser) field(at int, name string) (filterField, error) {
	if key, ok := strings.CutPrefix(name, labelPrefix); ok && key != "" {
		return filterField{name: name}, nil
	}
	for _, f := range filterFields {
		if f.name == name {
			return f, nil
		}
	}
	if s, ok := p.settings[name]; ok && slices.Contains(s.Scopes, ScopeContainer) {
		return filterField{name: name, kind: settingKinds[s.Type], values: s.Values}, nil
	}
	known := p.known()
	if meant := suggest(name, known); meant != "" {
		return filterField{}, p.errorf(at, "there is no field %q; did you mean %s?", name, meant)
	}
	return filterField{}, p.errorf(at, "there is no field %q; there are %s", name, strings.Join(known, " "))
}

func (p *filterParser) known() []string {
	names := []string{}
	for _, f := range filterFields {
		names = append(names, f.name)
	}
	names = append(names, labelPrefix+"KEY")
	for _, name := range slices.Sorted(maps.Keys(p.settings)) {
		if slices.Contains(p.settings[name].Scopes, ScopeContainer) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// suggest returns the known name that is most like what was written, "" if none is.
func suggest(name string, known []string) string {
	name = strings.ToLower(name)
	if meant := otherWords[name]; meant != "" {
		return meant
	}
	best, least := "", 1+len(name)/3
	for _, k := range known {
		if d := distance(name, k); d <= least && (best == "" || d < distance(name, best)) {
			best = k
		}
	}
	return best
}

// distance is how many bytes have to be inserted, removed or replaced (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for k := range row {
		row[k] = k
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for k := range len(b) {
			cost := corner
			if a[i] != b[k] {
				cost = 1 + min(corner, row[k], row[k+1])
			}
			corner, row[k+1] = row[k+1], cost
		}
	}
	return row[len(b)]
}

// The lexer: each function below skips blanks behind what it takes.

func (p *filterParser) skip() {
	rest := strings.TrimLeftFunc(p.text[p.pos:], unicode.IsSpace)
	p.pos = len(p.text) - len(rest)
}

func (p *filterParser) accept(c byte) bool {
	if p.pos == len(p.text) || p.text[p.pos] != c {
		return false
	}
	p.pos++
	p.skip()
	return true
}

func (p *filterParser) operator() string {
	for _, op := range []string{"==", "!=", ">=", "<=", "=", ">", "<", "~"} {
		if strings.HasPrefix(p.text[p.pos:], op) {
			p.pos += len(op)
			p.skip()
			if op == "==" {
				op = "="
			}
			return op
		}
	}
	return ""
}

func isWordRune(r rune) bool {
	return !unicode.IsSpace(r) && !strings.ContainsRune(`&|!()=<>~"`, r) && r != utf8.RuneError
}

// word reads a bare or quoted word; ok is false when none stands here.
func (p *filterParser) word() (word string, ok bool, err error) {
	if strings.HasPrefix(p.text[p.pos:], `"`) {
		word, err = p.quoted()
		return word, err == nil, err
	}
	rest := p.text[p.pos:]
	end := strings.IndexFunc(rest, func(r rune) bool { return !isWordRune(r) })
	if end < 0 {
		end = len(rest)
	}
	p.pos += end
	p.skip()
	return rest[:end], end > 0, nil
}

func (p *filterParser) quoted() (string, error) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			p.pos = i + 1
			p.skip()
			return b.String(), nil
		case c == '\\' && i+1 < len(p.text) && (p.text[i+1] == '"' || p.text[i+1] == '\\'):
			i++
			b.WriteByte(p.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.errorf(p.pos, `the quote that begins here is not closed; end it with "`)
}

// here describes what stands at the present position.
func (p *filterParser) here() string {
	if p.pos == len(p.text) {
		return "the end"
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return `"` + string(r) + `"`
}

func (p *filterParser) column(pos int) int { return utf8.RuneCountInString(p.text[:pos]) + 1 }

func (p *filterParser) errorf(pos int, format string, args ...any) error {
	args = append([]any{p.column(pos)}, args...)
	return Errorf(ErrInvalid, "filter, column %d: "+format, args...)
}
