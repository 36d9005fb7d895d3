package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"

	"lodge/inventory"
	"lodge/manager/gate"
)

// A question is one decision to be made, and all it depends on.
type question struct {
	request   *gate.Request
	plan      *inventory.Plan
	verb      gate.Verb
	container *inventory.Container // what it is asked on; nil: it is on no container
	around    *around
	glass     bool
	standing  standing
	agreed    agreed
}

// around is what is true around a request.
type around struct {
	people
	host     map[string]string // settings of the host
	project  func(name string) (inventory.Layer, error)
	table    inventory.Settings
	version  int64    // of the site's policies; 0: none
	windows  []string // which are open
	err      error    // of what could not be read on the way
	hostName string
}

// ask arranges a question. The container of a verb that makes one is the one it would make.
func ask(r *gate.Request, p *inventory.Plan, v gate.Verb, a *around) *question {
	q := &question{request: r, plan: p, verb: v, container: r.Container, around: a}
	if r.After != nil && (r.Container == nil || r.After.ID != r.Container.ID) {
		q.container = r.After
	}
	if v.Mode == gate.ModeOperation && v.Subject != nil {
		q.container = nil
	}
	q.standing = a.standing(r.Principal, q.container)
	q.agreed = a.count(r, p, q.container)
	return q
}

// agreed are the approvals that count: of the exact plan, by persons who may approve now, who differ
// from each other and from who asked.
type agreed struct {
	own bool // one is by who asked, by whatever key, uid or token
	who []inventory.Principal
}

func (a *around) count(r *gate.Request, p *inventory.Plan, c *inventory.Container) (got agreed) {
	for _, approval := range r.Approvals {
		by := approval.Principal
		if by.IsSame(r.Principal) {
			got.own = true
			continue
		}
		if p.Digest != "" && approval.Digest != p.Digest || slices.ContainsFunc(got.who, by.IsSame) ||
			!a.Allows(by, inventory.RightApprove, c, a.now) {
			continue
		}
		got.who = append(got.who, by)
	}
	return got
}

// by counts the approvals by somebody with the role; "" asks for nobody in particular.
func (q *question) by(role string) (n int) {
	for _, p := range q.agreed.who {
		if q.around.has(p, role, q.container) {
			n++
		}
	}
	return n
}

// request is the question as Cedar asks it.
func (q *question) cedar() cedar.Request {
	return cedar.Request{Principal: cedar.NewEntityUID(typeUser, cedar.String(q.request.Principal.Name)),
		Action: action(q.verb.Name), Resource: q.resource(), Context: q.context()}
}

func (q *question) resource() cedar.EntityUID {
	if c := q.container; c != nil {
		return cedar.NewEntityUID(typeContainer, cedar.String(containerKey(c)))
	}
	if t, ok := typeOfNoun[nounOf(q.verb.Name)]; ok && q.verb.Mode != gate.ModeRead && q.verb.Mode != gate.ModeDecision {
		_, name, _ := strings.Cut(q.plan.Subject, ":")
		return cedar.NewEntityUID(t, cedar.String(name))
	}
	return cedar.NewEntityUID(typeHost, cedar.String(q.around.hostName))
}

// containerKey is how policies name one container: NAME, or PROJECT/NAME outside the default project.
func containerKey(c *inventory.Container) string {
	if c.Project == "" || c.Project == inventory.DefaultProject {
		return c.Name
	}
	return c.Project + "/" + c.Name
}

// context is what is known of the request beside who asks what of what. Every attribute is always
// there, so no policy can miss one.
func (q *question) context() cedar.Record {
	r, p, a := q.request, q.plan, q.around
	var fields []cedar.Value
	for _, e := range p.Effects {
		fields = append(fields, cedar.String(e.Field))
	}
	var windows []cedar.Value
	for _, w := range a.windows {
		windows = append(windows, cedar.String(w))
	}
	env, immutable := q.afterwards()
	touches := func(prefix string) bool {
		return slices.ContainsFunc(p.Effects, func(e inventory.EffectLine) bool { return strings.HasPrefix(e.Field, prefix) })
	}
	edits := q.editsAudit()
	now := a.now
	return cedar.NewRecord(cedar.RecordMap{
		"reason": cedar.Boolean(r.Reason != ""), "ticket": cedar.Boolean(r.Ticket != ""),
		"break_glass": cedar.Boolean(q.glass), "origin": cedar.String(r.Principal.From),
		"proof": cedar.String(r.Principal.Proof), "risk": cedar.String(string(p.Risk)),
		"interrupts": cedar.Boolean(p.Interrupts != ""), "fields": cedar.NewSet(fields...),
		"env": cedar.String(env), "immutable": cedar.Boolean(immutable),
		"approvals": cedar.NewRecord(cedar.RecordMap{"total": cedar.Long(q.by("")),
			"approver": cedar.Long(q.by("approver")), "admin": cedar.Long(q.by("admin")),
			"owner": cedar.Long(q.by("owner"))}),
		"own_approval": cedar.Boolean(q.agreed.own), "windows": cedar.NewSet(windows...),
		"hour": cedar.Long(now.Hour()), "weekday": cedar.String(strings.ToLower(now.Weekday().String()[:3])),
		"date": cedar.String(now.Format(time.DateOnly)), "guarded": cedar.Boolean(a.guarded()),
		"chooses_solo":   cedar.Boolean(q.choosesSolo()),
		"touches_policy": cedar.Boolean(touches("policy.") || touches("change.") || touches("window.")),
		"touches_audit":  cedar.Boolean(edits || touches("audit.")), "edits_audit": cedar.Boolean(edits),
	})
}

// keepsAudit are the verbs that work on the audit log without changing what it says.
var keepsAudit = []string{"audit.reindex", "audit.checkpoint", "audit.rotate", "audit.archive", "audit.anchor",
	"audit.prove", "audit.export", "audit.release"}

// editsAudit reports whether the verb would change the audit log. A new verb does until it is known
// not to.
func (q *question) editsAudit() bool {
	return nounOf(q.verb.Name) == "audit" && q.verb.Mode == gate.ModeOperation && !slices.Contains(keepsAudit, q.verb.Name)
}

// guarded reports whether changing the policies takes somebody else: there are some, or there is a
// second administrator by a role.
func (a *around) guarded() bool {
	return a.version > 0 || a.host[holdSetting] != "" || len(a.Admins()) > 1
}

// choosesSolo reports whether the plan sets policy.solo, and nothing else, for the first time on a
// host where nobody else could agree.
func (q *question) choosesSolo() bool {
	return len(q.plan.Effects) == 1 && q.plan.Effects[0].Field == soloSetting && q.around.solo() == 0 &&
		len(q.around.others(q.request.Principal, string(inventory.RoleAdmin), nil)) == 0
}

// solo is the cooling-off that stands in for a second person; 0: nothing does.
func (a *around) solo() time.Duration {
	d, err := inventory.ParseDuration(a.host[soloSetting])
	if err != nil { // "off", or never set
		return 0
	}
	return d
}

// afterwards is what the container would be once the plan is carried out.
func (q *question) afterwards() (env inventory.Environment, immutable bool) {
	c := q.request.After
	if c == nil {
		c = q.container
	}
	if c == nil {
		return "", false
	}
	return c.Environment, q.around.isOn(c, immutableSetting)
}

// setting is the value in force for the container.
func (a *around) setting(c *inventory.Container, name string) string {
	if value, ok := c.Settings[name]; ok {
		return value
	}
	project, err := a.project(c.Project)
	if err != nil {
		a.err = err
	}
	if value, ok := project.Values[name]; ok {
		return value
	}
	if value, ok := a.host[name]; ok {
		return value
	}
	return a.table[name].Default
}

func (a *around) isOn(c *inventory.Container, name string) bool { return a.setting(c, name) == "true" }
