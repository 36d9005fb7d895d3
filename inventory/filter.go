package inventory

import (
	"strings"
	"time"
)

// A Filter selects things by their fields, with one language for the command line and the API:
//
//	env=prod & (owner=dev1 | owner=dev2) & !state=running & memory>1GiB & label.tier~"front*"
//
// Comparisons are FIELD OPERATOR VALUE. & binds closer than |, ! closest; && || == mean the same
// as & | =. A value with blanks or any of & | ! ( ) = < > ~ " stands in double quotes, with \"
// and \\ for those two characters.
//
//	=  !=         text without regard to case; for ip also a prefix: ip=10.86.0.0/24
//	>  >=  <  <=  sizes, numbers, durations and times
//	~             text that contains the value, or that a pattern with * and ? fits as a whole
//
// A time is a date or RFC 3339, and stands for the whole day, minute or second it names:
// created=2026-05-03 is any time on that day. Relative ones are quoted: created>"2h ago". The
// empty value is that of a field that isn't set: expires="" selects what never expires.
//
// A lease is compared by how long it still goes, the clock that ends first: lease<7d; lease="" selects
// what has none.
//
// The zero Filter selects everything.
type Filter struct {
	root *filterNode
	now  time.Time
}

// A FilterSubject is what a Filter looks at. ok is false for a field that isn't set. Values are
// written as people write them: sizes as 512MiB, times as RFC 3339, addresses separated by blanks.
type FilterSubject interface {
	Field(name string) (value string, ok bool)
}

// filterNode is a comparison, or joins others: '&' and '|' have two or more parts, '!' has one.
type filterNode struct {
	join  byte // 0 for a comparison
	parts []*filterNode
	test  comparison
}

// At returns the filter with the instant that "2h ago" counts from. Without one it is that of
// each Match.
func (f Filter) At(now time.Time) Filter { return Filter{root: f.root, now: now} }

// IsEmpty reports whether the filter selects everything because nothing was asked for.
func (f Filter) IsEmpty() bool { return f.root == nil }

// Match reports whether the filter selects the subject. A field that isn't set is equal to "" and
// neither less nor greater than anything.
func (f Filter) Match(s FilterSubject) bool {
	if f.root == nil {
		return true
	}
	now := f.now
	if now.IsZero() {
		now = time.Now()
	}
	return f.root.match(s, now)
}

func (n *filterNode) match(s FilterSubject, now time.Time) bool {
	switch n.join {
	case '&':
		for _, p := range n.parts {
			if !p.match(s, now) {
				return false
			}
		}
		return true
	case '|':
		for _, p := range n.parts {
			if p.match(s, now) {
				return true
			}
		}
		return false
	case '!':
		return !n.parts[0].match(s, now)
	}
	value, _ := s.Field(n.test.field)
	return n.test.match(value, now)
}

// String writes the filter so that ParseFilter reads the same filter again.
func (f Filter) String() string {
	if f.root == nil {
		return ""
	}
	var b strings.Builder
	f.root.write(&b)
	return b.String()
}

func (n *filterNode) write(b *strings.Builder) {
	switch n.join {
	case 0:
		b.WriteString(quoteWord(n.test.field, false) + n.test.op + quoteWord(n.test.value, true))
	case '!':
		b.WriteByte('!')
		n.writePart(b, n.parts[0])
	default:
		for i, p := range n.parts {
			if i > 0 {
				b.WriteString(" " + string(n.join) + " ")
			}
			n.writePart(b, p)
		}
	}
}

// writePart sets the parentheses that the part needs within n.
func (n *filterNode) writePart(b *strings.Builder, p *filterNode) {
	if p.join == '|' || p.join == '&' && n.join == '!' {
		b.WriteByte('(')
		p.write(b)
		b.WriteByte(')')
		return
	}
	p.write(b)
}

// quoteWord quotes what would not be read as one word. Fields are quoted only for label keys.
func quoteWord(s string, emptyToo bool) string {
	if s == "" && emptyToo || strings.ContainsFunc(s, func(r rune) bool { return !isWordRune(r) }) {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return s
}

// ContainerSubject offers a container to a Filter.
type ContainerSubject struct {
	Container *Container
	Observed  Observed
	Settings  map[string]string // in force, by name
	Orphaned  bool              // see Directory.IsOrphaned
}

// Field implements FilterSubject.
func (s ContainerSubject) Field(name string) (string, bool) {
	c := s.Container
	if key, ok := strings.CutPrefix(name, labelPrefix); ok {
		value, ok := c.Labels[key]
		return value, ok
	}
	switch name {
	case "id":
		return set(string(c.ID))
	case "name":
		return set(c.Name)
	case "project":
		return set(c.Project)
	case "owner":
		return set(c.Owner)
	case "purpose":
		return set(c.Purpose)
	case "env":
		return set(string(c.Environment))
	case "class":
		return set(c.DataClass)
	case "state":
		return set(string(s.Observed.State))
	case "image":
		return set(c.Image)
	case "ticket":
		return set(c.Ticket)
	case "ip":
		return set(c.addresses())
	case "orphaned":
		return yesNo(s.Orphaned), true
	case "created":
		return timeField(c.CreatedAt)
	case "updated":
		return timeField(c.UpdatedAt)
	case "expires":
		return timeField(c.ExpiresAt)
	case "lease":
		return timeField(c.LeaseEnd())
	}
	value, ok := s.Settings[name]
	return value, ok
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func set(value string) (string, bool) { return value, value != "" }

func (c *Container) addresses() string {
	var all []string
	for _, nic := range c.NICs {
		if nic.IPv4.IsValid() {
			all = append(all, nic.IPv4.String())
		}
		if nic.IPv6.IsValid() {
			all = append(all, nic.IPv6.String())
		}
	}
	return strings.Join(all, " ")
}

func timeField(t time.Time) (string, bool) {
	if t.IsZero() {
		return "", false
	}
	return t.UTC().Format(time.RFC3339Nano), true
}

// Fields are those the filter asks for, in its order.
func (f Filter) Fields() (fields []string) {
	var walk func(n *filterNode)
	walk = func(n *filterNode) {
		if n.join == 0 {
			fields = append(fields, n.test.field)
		}
		for _, p := range n.parts {
			walk(p)
		}
	}
	if f.root != nil {
		walk(f.root)
	}
	return fields
}
