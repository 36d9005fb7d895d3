// Package journal has what can be asked of the audit journal beside reading it: to make its index
// anew, to go on with another key, and, by a setting, to move old segments to its archive.
package journal

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// SettingKeep is for how many days segments stay in the journal's folder.
const SettingKeep = "audit.keep"

// Journal is the audit journal.
type Journal interface {
	// Reindex makes the index anew, in the background.
	Reindex()
	// ChangeKey goes on with a new key, which a record signed with the old one names.
	ChangeKey(ctx context.Context, by inventory.Principal) (fingerprint string, err error)
	// Archive moves segments whose records are all older to the archive and says how many.
	Archive(ctx context.Context, by inventory.Principal, before time.Time) (int, error)
}

// settings are the host's.
type settings interface {
	HostSettings(ctx context.Context) (map[string]string, error)
}

// A Service does it.
type Service struct {
	journal  Journal
	settings settings
	log      *slog.Logger
	now      func() time.Time
}

// New returns a service.
func New(j Journal, s settings, log *slog.Logger, now func() time.Time) *Service {
	return &Service{j, s, log, now}
}

// Settings returns the rows of the settings table this package applies.
func Settings() []inventory.Setting {
	return []inventory.Setting{{
		Name: SettingKeep, Scopes: []inventory.Scope{inventory.ScopeHost}, Type: inventory.TypeInt, Default: "0",
		Unit: "days", Min: "0", Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
		Doc: "Days for which segments of the audit journal stay in its folder; older ones are moved to audit/archive, from where " +
			"they may be taken away. A record names them with their hashes, and what is left verifies without them. 0 keeps all.",
	}}
}

// Verbs returns this package's rows of the verb table. Both are finished after a crash: half of either
// is worth nothing, and a second key does no harm.
func (s *Service) Verbs() []gate.Verb {
	subject := func(*gate.Request) (string, string, error) { return "audit", "audit", nil }
	return []gate.Verb{
		{Name: "audit.reindex", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskLow,
			Command: "audit reindex", Recovery: gate.RecoverFinish, Subject: subject,
			Interrupts: "searches in the journal wait until the index is there again",
			Steps:      []gate.Step{{Name: "clear", Do: func(context.Context, *gate.Run) error { s.journal.Reindex(); return nil }}}},
		{Name: "audit.rotate", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskHigh,
			Command: "audit rotate", Recovery: gate.RecoverFinish, Subject: subject,
			Steps: []gate.Step{{Name: "rotate", Do: s.rotate}}},
	}
}

func (s *Service) rotate(ctx context.Context, r *gate.Run) error {
	print, err := s.journal.ChangeKey(ctx, r.Operation.Principal)
	if err == nil {
		r.Log.Info("the audit journal has another key; pin it", "fingerprint", print)
	}
	return err
}

// poll is how often it is looked what is too old.
const poll = time.Hour

// Run archives what is older than the setting says, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for {
		if err := s.archive(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("old segments of the audit journal are not archived", "error", err)
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) archive(ctx context.Context) error {
	values, err := s.settings.HostSettings(ctx)
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(values[SettingKeep])
	if err != nil || days <= 0 {
		return nil // it is checked when it is set; none is for ever
	}
	n, err := s.journal.Archive(ctx, inventory.System(SettingKeep), s.now().AddDate(0, 0, -days))
	if n > 0 {
		s.log.Info("segments of the audit journal are in its archive", "segments", n)
	}
	return err
}
