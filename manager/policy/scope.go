package policy

import (
	"iter"
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// Candidates are the policies of a set whose heads fit a question. What a head leaves out can neither
// match nor fail, so asking Cedar about the rest gives the same answer sooner: most policies are about
// other people and other actions.
type candidates struct {
	*set
	principal, action cedar.EntityUID
	resource          cedar.EntityType
	above             cedar.EntityUIDSet // of the principal: every group and role
	groups            cedar.EntityUIDSet // of the action
}

func (q *question) candidates(s *set, l *language, asked cedar.Request) candidates {
	return candidates{set: s, principal: asked.Principal, action: asked.Action, resource: asked.Resource.Type,
		above: q.parents(), groups: l.actions[asked.Action].Parents}
}

// All are the candidates by name, for Cedar.
func (c candidates) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, r := range c.rules {
			if c.fits(r.head) && !yield(cedar.PolicyID(r.id), r.policy) {
				return
			}
		}
	}
}

func (c candidates) fits(p *ast.Policy) bool {
	return c.fitsAction(p.Action) && c.fitsPrincipal(p.Principal) && c.fitsResource(p.Resource)
}

func (c candidates) fitsAction(head ast.IsActionScopeNode) bool {
	within := func(uid cedar.EntityUID) bool { return uid == c.action || c.groups.Contains(uid) }
	switch h := head.(type) {
	case ast.ScopeTypeEq:
		return h.Entity == c.action
	case ast.ScopeTypeIn:
		return within(h.Entity)
	case ast.ScopeTypeInSet:
		return slices.ContainsFunc(h.Entities, within)
	}
	return true
}

func (c candidates) fitsPrincipal(head ast.IsPrincipalScopeNode) bool {
	switch h := head.(type) {
	case ast.ScopeTypeEq:
		return h.Entity == c.principal
	case ast.ScopeTypeIn:
		return h.Entity == c.principal || c.above.Contains(h.Entity)
	}
	return true
}

func (c candidates) fitsResource(head ast.IsResourceScopeNode) bool {
	switch h := head.(type) {
	case ast.ScopeTypeIs:
		return h.Type == c.resource
	case ast.ScopeTypeIsIn:
		return h.Type == c.resource
	}
	return true
}
