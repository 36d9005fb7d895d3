package policy

import (
	"github.com/cedar-policy/cedar-go"

	"lodge/inventory"
)

// entities are the entities of one question, built in Go types and looked up as policies ask for them:
// what JSON could get wrong without a word can't be written here.
type entities struct {
	*question
	actions cedar.EntityMap
	made    cedar.EntityMap
}

// Get returns an entity; what a policy names and the question has not is an entity without parents.
func (e *entities) Get(uid cedar.EntityUID) (cedar.Entity, bool) {
	if uid.Type == typeAction {
		got, ok := e.actions[uid]
		return got, ok
	}
	if got, ok := e.made[uid]; ok {
		return got, true
	}
	got, ok := e.build(uid)
	if ok {
		e.made[uid] = got
	}
	return got, ok
}

func (e *entities) build(uid cedar.EntityUID) (cedar.Entity, bool) {
	q := e.question
	switch {
	case uid.Type == typeUser && string(uid.ID) == q.request.Principal.Name:
		return q.user(uid), true
	case uid.Type == typeContainer && q.container != nil && uid == q.resource():
		return q.containerEntity(uid), true
	case uid.Type == typeGroup, uid.Type == typeProject, uid.Type == "Image", uid.Type == "Volume",
		uid.Type == "Network", uid.Type == "Pool":
		parents := cedar.NewEntityUIDSet(cedar.NewEntityUID(typeHost, cedar.String(q.around.hostName)))
		if uid.Type == typeGroup {
			parents = cedar.EntityUIDSet{}
		}
		return cedar.Entity{UID: uid, Parents: parents, Attributes: named(uid)}, true
	case uid.Type == typeHost:
		return cedar.Entity{UID: uid, Attributes: named(uid)}, true
	}
	return cedar.Entity{}, false
}

func named(uid cedar.EntityUID) cedar.Record {
	return cedar.NewRecord(cedar.RecordMap{"name": uid.ID})
}

// parents are the groups and roles of who asks: all they are in, directly or through others, so that
// groups that hold each other can't lead anybody round.
func (q *question) parents() cedar.EntityUIDSet {
	var parents []cedar.EntityUID
	for _, g := range q.standing.Groups {
		parents = append(parents, cedar.NewEntityUID(typeGroup, cedar.String(g)))
	}
	for _, r := range q.standing.Roles {
		parents = append(parents, cedar.NewEntityUID(typeRole, cedar.String(r)))
	}
	return cedar.NewEntityUIDSet(parents...)
}

// user is who asks.
func (q *question) user(uid cedar.EntityUID) cedar.Entity {
	p := q.request.Principal
	var holds []cedar.Value
	for _, r := range q.standing.Holds {
		holds = append(holds, cedar.String(r))
	}
	return cedar.Entity{UID: uid, Parents: q.parents(),
		Attributes: cedar.NewRecord(cedar.RecordMap{"name": cedar.String(p.Name), "kind": cedar.String(p.Kind),
			"root": cedar.Boolean(p.IsRoot()), "holds": cedar.NewSet(holds...)})}
}

func (q *question) containerEntity(uid cedar.EntityUID) cedar.Entity {
	c, a := q.container, q.around
	project := c.Project
	if project == "" {
		project = inventory.DefaultProject
	}
	var devices []cedar.Value
	for _, d := range c.Devices {
		devices = append(devices, cedar.String(d.Type))
	}
	state := ""
	if q.request.Container != nil {
		state = string(q.request.Observed.State)
	}
	labels := cedar.RecordMap{}
	for key, value := range c.Labels {
		labels[cedar.String(key)] = cedar.String(value)
	}
	return cedar.Entity{UID: uid, Tags: cedar.NewRecord(labels),
		Parents: cedar.NewEntityUIDSet(cedar.NewEntityUID(typeProject, cedar.String(project)),
			cedar.NewEntityUID(typeHost, cedar.String(a.hostName))),
		Attributes: cedar.NewRecord(cedar.RecordMap{
			"name": cedar.String(c.Name), "project": cedar.String(project),
			"env": cedar.String(c.Environment), "class": cedar.String(c.DataClass),
			"owner":       cedar.NewEntityUID(typeUser, cedar.String(c.Owner)),
			"owner_group": cedar.NewEntityUID(typeGroup, cedar.String(c.Owner)),
			"image":       cedar.String(c.Image), "pool": cedar.String(c.Pool), "state": cedar.String(state),
			"trashed": cedar.Boolean(c.IsTrashed()), "devices": cedar.NewSet(devices...),
			"immutable":  cedar.Boolean(a.isOn(c, immutableSetting)),
			"privileged": cedar.Boolean(a.isOn(c, "security.privileged")),
			"nesting":    cedar.Boolean(a.isOn(c, "security.nesting")),
		})}
}
