package policy

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// mostCached bounds the cache; when it is full it starts anew.
const mostCached = 4096

// A cacheKey is the hash of everything a decision depends on. It is taken over JSON, in which no
// two sets of values are written alike; strings put behind each other could be.
type cacheKey [sha256.Size]byte

// inputs are what decides about a read or a session.
type inputs struct {
	Policies  [sha256.Size]byte
	Principal inventory.Principal
	Standing  standing
	Verb      string
	Subject   string
	Container inventory.ContainerID
	Revision  int64
	State     inventory.State
	Inherited [3]string // what the container's revision doesn't tell: see question.key
	Reason    bool
	Ticket    bool
	Glass     bool
	Guarded   bool
	Risk      inventory.Risk
	Windows   []string
	Hour      string
}

// key is the question's; ok is false for one whose answer is not kept: what a plan would change, and
// who agreed to it, differs each time.
func (q *question) key(s *set) (key cacheKey, ok bool) {
	r := q.request
	if q.verb.Mode != gate.ModeRead && q.verb.Mode != gate.ModeSession || r.After != nil || len(r.Approvals) > 0 {
		return key, false
	}
	in := inputs{Policies: s.hash, Principal: r.Principal, Standing: q.standing, Verb: r.Verb, Subject: q.plan.Subject,
		Reason: r.Reason != "", Ticket: r.Ticket != "", Glass: q.glass, Guarded: q.around.guarded(), Risk: q.plan.Risk,
		Windows: q.around.windows, Hour: q.around.now.Format(time.DateOnly + " 15")}
	if c := q.container; c != nil {
		in.Container, in.Revision, in.State = c.ID, c.Revision, r.Observed.State
		for i, name := range []string{immutableSetting, "security.privileged", "security.nesting"} {
			in.Inherited[i] = q.around.setting(c, name)
		}
	}
	raw, err := json.Marshal(in)
	return sha256.Sum256(raw), err == nil && q.around.err == nil
}

// A cache keeps decisions.
type cache struct {
	mu   sync.Mutex
	kept map[cacheKey]gate.Decision
}

func (c *cache) find(key cacheKey) (gate.Decision, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.kept[key]
	return d, ok
}

func (c *cache) keep(key cacheKey, d gate.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) >= mostCached || c.kept == nil {
		c.kept = map[cacheKey]gate.Decision{}
	}
	c.kept[key] = d
}
