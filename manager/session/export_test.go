package session

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/session/stream"
)

// MonitorOf finds the monitor of a container by its init.
var MonitorOf = monitorOf

// SetEnterLimit shortens the wait for a holder that hangs.
func (s *Service) SetEnterLimit(d time.Duration) { s.enterLimit = d }

// SetRootEvery has the roots of recordings come more often.
func (s *Service) SetRootEvery(d time.Duration) { s.rootEvery = d }

// RulesOf is what settings of a container, its project and the host come to.
func RulesOf(own, project, host map[string]string) (records, required bool, recipients string) {
	r := rulesOf([]inventory.Layer{{Values: own}, {Values: project}, {Values: host}})
	return r.record, r.required, r.recipients
}

// Expire deletes recordings whose time is up.
func (s *Service) Expire(ctx context.Context) error { return s.expire(ctx) }

// LoginOf is what a container's programs are told of a session by those settings.
func LoginOf(own, project, host map[string]string, row inventory.Session) *stream.Login {
	return loginOf(rulesOf([]inventory.Layer{{Values: own}, {Values: project}, {Values: host}}).login, row)
}
