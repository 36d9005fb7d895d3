package policy

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"lodge/inventory"
	"lodge/manager/gate"
)

//go:embed schema.cedarschema
var entitySchema string

const (
	typeUser      cedar.EntityType = "User"
	typeGroup     cedar.EntityType = "Group"
	typeRole      cedar.EntityType = "Role"
	typeContainer cedar.EntityType = "Container"
	typeProject   cedar.EntityType = "Project"
	typeHost      cedar.EntityType = "Host"
	typeAction    cedar.EntityType = "Action"
)

// The groups of actions beside one per right.
const (
	groupRead    = "read"
	groupSession = "session"
	groupMutate  = "mutate"
	groupDecide  = "decide"
	groupRight   = "right." // and the right's name
)

var modeGroups = map[gate.Mode]string{gate.ModeRead: groupRead, gate.ModeSession: groupSession,
	gate.ModeOperation: groupMutate, gate.ModeDecision: groupDecide}

// groupOf is the group of a verb's mode. Looking at what was recorded leaves records as a session does,
// and is a read all the same: it is what auditors are for.
func groupOf(v gate.Verb) string {
	if v.Right == inventory.RightRecording {
		return groupRead
	}
	return modeGroups[v.Mode]
}

// typeOfNoun is what the verbs of a noun work on where that is no container. What is missing is on
// the host.
var typeOfNoun = map[string]cedar.EntityType{"project": typeProject, "image": "Image", "volume": "Volume",
	"network": "Network", "pool": "Pool"}

// nounsOfContainer are those whose reads may be of one container.
var nounsOfContainer = []string{"container", "snapshot", "session", "volume", "file"}

func nounOf(verb string) string { noun, _, _ := strings.Cut(verb, "."); return noun }

// resourceTypes are the types of what a verb may be asked on.
func resourceTypes(v gate.Verb) []cedar.EntityType {
	onContainer := slices.Contains(nounsOfContainer, nounOf(v.Name))
	switch {
	case v.Right == inventory.RightRecording: // of a container that may be gone
		return []cedar.EntityType{typeContainer, typeHost}
	case (v.Mode == gate.ModeRead || v.Mode == gate.ModeDecision) && (onContainer || v.Mode == gate.ModeDecision):
		return []cedar.EntityType{typeContainer, typeHost}
	case v.Mode == gate.ModeRead:
		return []cedar.EntityType{typeHost}
	case v.Subject == nil:
		return []cedar.EntityType{typeContainer}
	}
	if t, ok := typeOfNoun[nounOf(v.Name)]; ok {
		return []cedar.EntityType{t}
	}
	return []cedar.EntityType{typeHost}
}

// A language is what policies may say: the entities and the actions of one table of verbs.
type language struct {
	verbs     map[string]gate.Verb
	actions   cedar.EntityMap // with their groups
	validator *validate.Validator
	text      string // the schema
}

// newLanguage makes the schema of a table of verbs: a closed list of actions, each in the group of
// its mode and in that of its right.
func newLanguage(verbs []gate.Verb) (*language, error) {
	l := &language{verbs: map[string]gate.Verb{}, actions: cedar.EntityMap{}}
	groups, text := map[string]bool{}, strings.Builder{}
	for _, v := range verbs {
		l.verbs[v.Name] = v
		mode, right := groupOf(v), groupRight+string(v.Right)
		groups[mode], groups[right] = true, true
		var on []string
		for _, t := range resourceTypes(v) {
			on = append(on, string(t))
		}
		fmt.Fprintf(&text, "action %q in [%q, %q] appliesTo { principal: [User], resource: [%s], context: Asked };\n",
			v.Name, mode, right, strings.Join(on, ", "))
		l.actions[action(v.Name)] = cedar.Entity{UID: action(v.Name),
			Parents: cedar.NewEntityUIDSet(action(mode), action(right))}
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&text, "action %q;\n", g)
		l.actions[action(g)] = cedar.Entity{UID: action(g)}
	}
	var s schema.Schema
	l.text = entitySchema + "\n" + text.String()
	if err := s.UnmarshalCedar([]byte(l.text)); err != nil {
		return nil, fmt.Errorf("the schema of policies: %w", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("the schema of policies: %w", err)
	}
	l.validator = validate.New(resolved, validate.WithStrict())
	return l, nil
}

func action(name string) cedar.EntityUID { return cedar.NewEntityUID(typeAction, cedar.String(name)) }
