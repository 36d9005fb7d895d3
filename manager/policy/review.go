package policy

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// warnEvery is how often at most an event tells of one policy that can't be evaluated.
const warnEvery = time.Minute

// Review judges a request by all policies in force. What can't be read, and a policy that can't be
// evaluated, is a deny.
func (s *Service) Review(ctx context.Context, r *gate.Request, p *inventory.Plan) gate.Decision {
	q, now, err := s.question(ctx, r, p)
	if err != nil {
		return denied("the policies can't be read: " + err.Error()).Decision
	}
	if now, err = s.passage(q, now); err != nil {
		return denied(err.Error()).Decision
	}
	key, keyed := q.key(now)
	if d, ok := s.cache.find(key); keyed && ok {
		return d
	}
	f := judge(s.lang, now, q)
	if len(f.errors) > 0 {
		s.warn(ctx, r, f)
	} else if keyed {
		s.cache.keep(key, f.Decision)
	}
	if q.glass {
		s.tell(ctx, "policy.break-glass", r, map[string]any{"reason": r.Reason, "verdict": f.Verdict})
	}
	return f.Decision
}

// question reads what a request is judged by.
func (s *Service) question(ctx context.Context, r *gate.Request, p *inventory.Plan) (*question, *set, error) {
	a, err := s.around(ctx)
	if err != nil {
		return nil, nil, err
	}
	now, err := s.inForce(a.host)
	if err != nil {
		return nil, nil, err
	}
	q := ask(r, p, s.lang.verbs[r.Verb], a)
	if s.Windows != nil {
		a.windows, err = s.Windows(ctx, q.container, a.now)
	}
	return q, now, err
}

// around reads what is true at this instant.
func (s *Service) around(ctx context.Context) (*around, error) {
	host, err := s.Estate.HostSettings(ctx)
	if err != nil {
		return nil, err
	}
	directory, err := s.Estate.Directory(ctx)
	if err != nil {
		return nil, err
	}
	projects := map[string]inventory.Layer{}
	return &around{people: people{Directory: directory, members: s.Members, now: s.Now()}, host: host, table: s.Settings(),
		version: s.site.Load().version, hostName: s.HostName,
		project: func(name string) (inventory.Layer, error) {
			if l, ok := projects[name]; ok {
				return l, nil
			}
			p, err := s.Estate.Project(ctx, name)
			if kind, ok := inventory.Kind(err); ok && kind.Err == inventory.ErrNotFound {
				p, err = inventory.Project{Name: name}, nil // it is lost, and gives its containers nothing
			}
			if err == nil {
				projects[name] = p.Layer()
			}
			return projects[name], err
		}}, nil
}

// passage finds by which set a question is judged. Root may ask on the host's own socket to pass
// without what policies ask for: then the base alone judges, and what in it yields to break-glass does.
func (s *Service) passage(q *question, now *set) (*set, error) {
	p := q.request.Principal
	if p.Override {
		looks := slices.Contains([]string{"session.attach", "session.watch", "session.recording"}, q.verb.Name)
		needsReason := q.verb.Mode == gate.ModeOperation || q.verb.Mode == gate.ModeSession && !looks
		switch {
		case !p.IsRoot() || p.From != "unix":
			return nil, inventory.Errorf(inventory.ErrDenied, "--break-glass takes root, on the socket of the host itself")
		case needsReason && q.request.Reason == "":
			return nil, inventory.Errorf(inventory.ErrDenied, "--break-glass takes a --reason, which is kept in the audit log")
		}
		q.glass = true
		return s.base, nil
	}
	if now.broken == nil {
		return now, nil
	}
	if p.Kind == inventory.KindSystem {
		return s.base, nil
	}
	return nil, inventory.Errorf(inventory.ErrDenied, "version %d of the site's policies can't be read: %v; as root, "+
		"'lodge policy set --break-glass --reason TEXT -f FILE' replaces it", now.version, now.broken)
}

// warn tells of policies that could not be evaluated: the log each time, an event once a minute for
// each.
func (s *Service) warn(ctx context.Context, r *gate.Request, f finding) {
	s.Log.Error("policies can't be evaluated; denied", "verb", r.Verb, "principal", r.Principal.Name, "errors", f.errors)
	for _, name := range f.Policies {
		s.mu.Lock()
		due := s.Now().Sub(s.warned[name]) >= warnEvery
		if due {
			s.warned[name] = s.Now()
		}
		s.mu.Unlock()
		if due {
			s.tell(ctx, "policy.error", r, map[string]any{"policy": name, "errors": f.errors})
		}
	}
}

// tell puts an event about a request into the outbox; one that can't be written is logged.
func (s *Service) tell(ctx context.Context, kind string, r *gate.Request, about map[string]any) {
	about["verb"], about["principal"] = r.Verb, r.Principal.Name
	data, _ := json.Marshal(about) // a map of strings can't fail
	e := inventory.Event{At: s.Now(), Type: kind, Data: data}
	if c := r.Container; c != nil {
		e.Container, e.Name, e.Project = c.ID, c.Name, c.Project
	}
	if err := s.Estate.AppendEvent(context.WithoutCancel(ctx), e); err != nil {
		s.Log.Error("an event can't be written", "event", kind, "error", err)
	}
}
