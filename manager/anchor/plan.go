package anchor

import (
	"context"
	"strings"

	"lodge/inventory"
)

// plans are the sinks that the host's settings ask for, by name.
func (s *Service) plans(values map[string]string) map[string]plan {
	all := map[string]plan{}
	add := func(p plan) { p.interval = interval(values); all[p.sink] = p }
	if target := values[SettingSyslog]; target != "" {
		add(plan{sink: "syslog", target: target, settle: s.Settle,
			settings: strings.Join([]string{values[SettingCA], values[SettingCert], values[SettingKey]}, " "),
			open: func(ctx context.Context, _ *cursor, broken func(error)) (sink, error) {
				return s.dialSyslog(ctx, values, broken)
			},
			note: func() string {
				if strings.HasPrefix(target, "tcp:") {
					return "unencrypted: whoever is in between reads and changes it; use tls://"
				}
				return ""
			}})
	}
	if folder := values[SettingDrop]; folder != "" {
		add(plan{sink: "drop", target: folder,
			open: func(ctx context.Context, c *cursor, _ func(error)) (sink, error) { return s.openDrop(ctx, folder, c) },
			kept: func() [][]byte { return newestDropped(folder, s.Journal.Origin()) },
			note: func() string {
				if apart, err := isApart(folder, s.Root); err == nil && !apart {
					return "on the same disk as the journal: this leaves the host only if something takes it away"
				}
				return ""
			}})
	}
	if values[SettingJournald] == "true" {
		add(plan{sink: "journald", target: "local",
			open: func(context.Context, *cursor, func(error)) (sink, error) {
				if s.Journald == nil {
					return nil, inventory.Errorf(inventory.ErrUnavailable, "there is no journald on this host")
				}
				return &toJournald{s.Journal, s.Journald}, nil
			},
			note: func() string { return "on this host: it leaves the host only if something forwards the journal" }})
	}
	return all
}
