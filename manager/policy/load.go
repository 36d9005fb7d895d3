package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"lodge/inventory"
)

//go:embed base.cedar
var baseText string

const (
	baseFile = "base.cedar"
	// basePrefix begins the names of the policies that can't be removed.
	basePrefix = "base."

	// MostBytes bounds the policies of a site, and MostPolicies their number: a decision looks at each.
	MostBytes    = 1 << 20
	MostPolicies = 1000
	mostDelay    = 30 * 24 * time.Hour
)

// A rule is one policy: Cedar, and what its annotations ask for.
type rule struct {
	id     string
	base   bool
	line   int
	reason string
	policy *cedar.Policy
	head   *ast.Policy // the same, to look at its head
	// needs turns a match into a hold until it is met; its zero value is a plain forbid.
	needs inventory.Condition
	// solo says what becomes of the approvals where nobody else could give them: "delay" or "allow".
	solo string
}

func (r *rule) holds() bool {
	return r.needs != inventory.Condition{Policy: r.needs.Policy, Firm: r.needs.Firm}
}

// load reads a set of policies and checks every one against the schema. file names the text in
// errors, which are all there are, each with its line.
func (l *language) load(file, text string, base bool) ([]*rule, error) {
	if len(text) > MostBytes {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s has %d bytes; the most is %d", file, len(text), MostBytes)
	}
	list, err := parse(file, text)
	if err != nil {
		return nil, err
	}
	if len(list) > MostPolicies {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s has %d policies; the most is %d", file, len(list), MostPolicies)
	}
	var rules []*rule
	var wrong []string
	lineOf := map[string]int{}
	for i, p := range list {
		end := strings.Count(text, "\n") + 1
		if i+1 < len(list) {
			end = list[i+1].Position().Line - 1
		}
		r, err := newRule(p, base)
		if err == nil && lineOf[r.id] > 0 {
			err = fmt.Errorf("%q is the name of the policy in line %d, too", r.id, lineOf[r.id])
		}
		if err == nil {
			err = l.check(p)
		}
		if err != nil {
			wrong = append(wrong, complaints(file, text, p.Position().Line, end, err)...)
			continue
		}
		lineOf[r.id] = r.line
		rules = append(rules, r)
	}
	if len(wrong) > 0 {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s", strings.Join(wrong, "\n"))
	}
	return rules, nil
}

// parse reads Cedar. The parser is a stranger's and the text anybody's: should it panic, that is one
// more text that can't be read.
func parse(file, text string) (list cedar.PolicyList, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = inventory.Errorf(inventory.ErrInvalid, "%s:1: it can't be read: %v", file, cause)
		}
	}()
	list, err = cedar.NewPolicyListFromBytes(file, []byte(text))
	if err != nil {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s", placed(file, err))
	}
	return list, nil
}

// atPosition is how the parser and its scanner tell where they are.
var atPosition = regexp.MustCompile(`(?:at )?<input>:(\d+):(\d+):? ?"?|line:? ?(\d+)`)

// placed puts file and line before what the parser says.
func placed(file string, err error) string {
	text := strings.TrimPrefix(err.Error(), "parser error: ")
	m := atPosition.FindStringSubmatch(text)
	if m == nil {
		return file + ":1: " + text
	}
	line := m[1] + m[3]
	return file + ":" + line + ": " + strings.TrimSpace(strings.Replace(text, m[0], "", 1))
}

// check validates one policy strictly: what is misspelt, has the wrong type, or may be missing when
// it is asked for is refused.
func (l *language) check(p *cedar.Policy) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("it can't be checked: %v", cause)
		}
	}()
	if err := l.validator.Policy("", (*ast.Policy)(p.AST())); err != nil {
		return err
	}
	return l.checkClosed(p)
}

// checkClosed refuses roles and actions that there are none of, wherever they are named: the validator
// of cedar-go 1.9 lets them pass in some places, and what is misspelt there would match nothing.
func (l *language) checkClosed(p *cedar.Policy) error {
	raw, err := p.MarshalJSON()
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return err
	}
	var walk func(node any) error
	walk = func(node any) error {
		switch n := node.(type) {
		case map[string]any:
			t, isType := n["type"].(string)
			if id, isID := n["id"].(string); isType && isID && !l.knows(cedar.NewEntityUID(cedar.EntityType(t), cedar.String(id))) {
				return fmt.Errorf("there is no `%s::%q`", t, id)
			}
			for _, inner := range n {
				if err := walk(inner); err != nil {
					return err
				}
			}
		case []any:
			for _, inner := range n {
				if err := walk(inner); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk(tree)
}

// knows reports whether there can be such an entity: roles and actions are closed lists.
func (l *language) knows(uid cedar.EntityUID) bool {
	if uid.Type == typeRole {
		_, err := inventory.ParseRole(string(uid.ID))
		return err == nil
	}
	_, isAction := l.actions[uid]
	return uid.Type != typeAction || isAction
}

// quoted is what the validator puts into backticks: what is wrong, as it was written.
var quoted = regexp.MustCompile("`([^`]+)`")

// complaints are the lines about one policy, which reaches from line first to last: each names the
// line in which what is wrong is written, as far as that can be told.
func complaints(file, text string, first, last int, err error) (out []string) {
	lines := strings.Split(text, "\n")
	for _, one := range strings.Split(err.Error(), "\n") {
		if len(out) > 0 && strings.Contains(one, "applicable action") {
			continue // which follows from what was said before
		}
		at := first
		if m := quoted.FindStringSubmatch(one); m != nil {
			word := strings.Trim(m[1][strings.LastIndexAny(m[1], ":.")+1:], "\"")
			for n := first; n <= last && n <= len(lines); n++ {
				if strings.Contains(lines[n-1], word) {
					at = n
					break
				}
			}
		}
		if strings.Contains(one, "on entity type") && !strings.Contains(one, string(typeContainer)) {
			one += "; where it is a container's, say: resource is Container"
		}
		out = append(out, fmt.Sprintf("%s:%d: %s", file, at, one))
	}
	return out
}

var ruleName = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,62}$`)

// newRule reads the annotations of a policy.
func newRule(p *cedar.Policy, base bool) (*rule, error) {
	notes := p.Annotations()
	r := &rule{id: string(notes["id"]), base: base, line: p.Position().Line, reason: string(notes["reason"]),
		policy: p, head: (*ast.Policy)(p.AST()), solo: "delay"}
	r.needs.Policy = r.id
	switch {
	case !ruleName.MatchString(r.id):
		return nil, fmt.Errorf("every policy needs a name of a-z, 0-9 and ._- like @id(\"no-night-stops\"); it has %q", r.id)
	case !base && strings.HasPrefix(r.id, basePrefix):
		return nil, fmt.Errorf("names that begin with %s are those of the base set", basePrefix)
	case !base && p.Effect() == cedar.Permit:
		return nil, fmt.Errorf("a permit gives nothing: roles and ownership give (lodge role), policies take away; write a forbid")
	}
	if err := inventory.CheckLine("the @reason", r.reason); err != nil {
		return nil, err
	}
	for key, value := range notes {
		if err := r.annotate(string(key), string(value)); err != nil {
			return nil, err
		}
	}
	if r.needs.Role != "" && r.needs.Approvals == 0 {
		r.needs.Approvals = 1
	}
	if r.needs.Firm && !r.holds() {
		return nil, fmt.Errorf("@emergency stands beside @hold, @window or @delay; a plain forbid is passed by no emergency")
	}
	if r.holds() && p.Effect() == cedar.Permit {
		return nil, fmt.Errorf("@hold, @window and @delay stand on a forbid: it holds what it matches until they are met")
	}
	return r, nil
}

// annotate reads one annotation.
func (r *rule) annotate(key, value string) (err error) {
	switch key {
	case "id", "reason":
	case "hold":
		if r.needs.Approvals, err = strconv.Atoi(value); err != nil || r.needs.Approvals < 1 || r.needs.Approvals > 9 {
			return fmt.Errorf("@hold(%q): how many persons have to agree, 1 to 9", value)
		}
	case "role":
		role, err := inventory.ParseRole(value)
		if err != nil {
			return fmt.Errorf("@role(%q): %w", value, err)
		}
		r.needs.Role = string(role)
	case "window":
		if inventory.CheckName("the window", value) != nil {
			return fmt.Errorf("@window(%q) is no name of a window", value)
		}
		r.needs.Window = value
	case "delay":
		if r.needs.Delay, err = inventory.ParseDuration(value); err != nil || r.needs.Delay <= 0 || r.needs.Delay > mostDelay {
			return fmt.Errorf("@delay(%q): how long it has to wait, up to 30d", value)
		}
	case "solo":
		if r.solo = value; value != "delay" && value != "allow" {
			return fmt.Errorf("@solo(%q): what happens where nobody else could agree, delay or allow", value)
		}
	case "emergency":
		if r.needs.Firm = value == "no"; !r.needs.Firm {
			return fmt.Errorf("@emergency(%q): no, where an emergency does not pass it either", value)
		}
	default:
		return fmt.Errorf("there is no annotation @%s; there are @id @reason @hold @role @window @delay @solo @emergency", key)
	}
	return nil
}
