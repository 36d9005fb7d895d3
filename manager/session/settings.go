package session

import (
	"cmp"
	"context"
	"strings"
	"time"

	"lodge/inventory"
)

// Names of the settings.
const (
	SettingRecord     = "session.record"
	SettingRequired   = "session.record.required"
	SettingRecipients = "session.record.recipients"
	SettingRecordMax  = "session.record.max"
	SettingRoom       = "session.record.room"
	SettingKeep       = "session.record.keep"
	SettingIdle       = "session.idle"
	SettingTotal      = "session.total"
	SettingLogin      = "session.logins"
)

const (
	recordOff    = "off"
	recordOutput = "output"
)

// Values of session.logins.
const (
	loginOff      = "off"
	loginTerminal = "terminal"
	loginAll      = "all"
)

// Settings returns the rows of the settings table this package applies.
func Settings() []inventory.Setting {
	all := []inventory.Scope{inventory.ScopeContainer, inventory.ScopeProject, inventory.ScopeHost}
	host := []inventory.Scope{inventory.ScopeHost}
	row := func(name string, scopes []inventory.Scope, t inventory.SettingType, risk inventory.Risk, doc string) inventory.Setting {
		return inventory.Setting{Name: name, Scopes: scopes, Type: t, Effect: inventory.EffectLive, Risk: risk, Doc: doc}
	}
	record := row(SettingRecord, all, inventory.TypeEnum, inventory.RiskMedium,
		"What is recorded of sessions that begin from now on: output, what they show, or off. Input never is: it holds passwords.")
	record.Default, record.Values = recordOutput, []string{recordOff, recordOutput}
	required := row(SettingRequired, all, inventory.TypeBool, inventory.RiskMedium,
		"No session without a recording: where it can't be made nobody gets in, and where it can't go on the session ends. "+
			"True on the container, its project or the host holds whatever the others say, and session.record too.")
	required.Default = "false"
	recipients := row(SettingRecipients, all, inventory.TypeRecipients, inventory.RiskMedium,
		"Public age keys (age1..., with spaces between) that recordings are sealed for: then only who has one of the secret keys can read "+
			"them, and not this host. Those of the container, its project and the host are taken together.")
	max := row(SettingRecordMax, host, inventory.TypeBytes, inventory.RiskLow,
		"Output that is kept of one session, of one without a terminal at most 16 MiB; what is shown beyond it is not in the recording, which says so.")
	max.Default, max.Unit, max.Min = "64MiB", "bytes", "1MiB"
	room := row(SettingRoom, host, inventory.TypeBytes, inventory.RiskMedium,
		"What all recordings may take on the disk. When it is full, sessions go unrecorded, or don't begin where they have to be recorded.")
	room.Default, room.Unit, room.Min = "8GiB", "bytes", "1MiB"
	keep := row(SettingKeep, host, inventory.TypeInt, inventory.RiskMedium,
		"Days after which recordings are deleted, which a record of the audit log names; 0 keeps all.")
	keep.Default, keep.Unit, keep.Min = "0", "days", "0"
	login := row(SettingLogin, all, inventory.TypeEnum, inventory.RiskLow,
		"Of which sessions that begin from now on the container's own programs are told: logind, where it runs, and the files of who and last, "+
			"where they are. terminal: of those with one. all: logind of the others as well, which may take it a second each. off: of none.")
	login.Default, login.Values = loginTerminal, []string{loginOff, loginTerminal, loginAll}
	return append([]inventory.Setting{record, required, recipients, max, room, keep, login}, limitSettings(all)...)
}

func limitSettings(scopes []inventory.Scope) []inventory.Setting {
	row := func(name, doc string) inventory.Setting {
		return inventory.Setting{Name: name, Scopes: scopes, Type: inventory.TypeDuration, Values: []string{"off"}, Default: "off",
			Max: "30d", Effect: inventory.EffectLive, Risk: inventory.RiskMedium, Doc: doc}
	}
	return []inventory.Setting{
		row(SettingIdle, "How long a session that begins from now on may go without anything typed or shown; then it ends, after a warning. "+
			"Keepalives don't count. The shortest of container, project and host holds."),
		row(SettingTotal, "How long a session that begins from now on may last; then it ends, after a warning. "+
			"The shortest of container, project and host holds."),
	}
}

// layers are the settings above a container.
type layers interface {
	// Layers returns what the project and the host set, in this order.
	Layers(ctx context.Context, project string) ([]inventory.Layer, error)
}

// rules are what holds for one session.
type rules struct {
	record, required bool
	recipients       string
	max, room        int64         // bytes
	idle, total      time.Duration // 0: for ever
	login            string
}

// rules reads the settings of a container. A container's own can only make them stricter, but for
// session.record itself: whoever may set that up is not to hide what is done inside.
func (s *Service) rules(ctx context.Context, c *inventory.Container) (rules, error) {
	if s.Config.Settings == nil {
		return rules{record: true, max: terminalRecord, room: 8 << 30, login: loginTerminal}, nil
	}
	above, err := s.Config.Settings.Layers(ctx, c.Project)
	if err != nil {
		return rules{}, err
	}
	return rulesOf(append([]inventory.Layer{{Values: c.Settings}}, above...)), nil
}

func rulesOf(all []inventory.Layer) rules {
	r := rules{max: terminalRecord, room: 8 << 30}
	record := ""
	var recipients []string
	for _, l := range all {
		record = cmp.Or(record, l.Values[SettingRecord])
		r.required = r.required || l.Values[SettingRequired] == "true"
		if keys := l.Values[SettingRecipients]; keys != "" {
			recipients = append(recipients, keys)
		}
		r.max = cmp.Or(bytesOf(l.Values[SettingRecordMax]), r.max)
		r.idle = shorter(r.idle, l.Values[SettingIdle])
		r.total = shorter(r.total, l.Values[SettingTotal])
		r.room = cmp.Or(bytesOf(l.Values[SettingRoom]), r.room)
		r.login = cmp.Or(r.login, l.Values[SettingLogin])
	}
	r.login = cmp.Or(r.login, loginTerminal)
	r.recipients = strings.Join(recipients, " ")
	r.record = r.required || record != recordOff
	return r
}

// shorter is the shorter of two limits; a value of none is no limit.
func shorter(limit time.Duration, value string) time.Duration {
	d, err := inventory.ParseDuration(value)
	if err != nil || d == 0 || limit > 0 && limit < d {
		return limit
	}
	return d
}

// bytesOf reads a value that was checked when it was set; 0 for none.
func bytesOf(value string) int64 {
	b, _ := inventory.ParseBytes(value)
	return int64(b)
}
