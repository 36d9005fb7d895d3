package inventory

import (
	"errors"
	"testing"
	"time"
)

const day = 24 * time.Hour

func TestLeaseRules(t *testing.T) {
	rules, err := LeaseRulesOf(map[string]string{LeaseMax: "30d", LeaseTotal: "90d", LeaseWarn: "1d, 7d", LeaseGrace: "3d"})
	if err != nil || rules.Length() != 30*day || !rules.IsRequired() {
		t.Fatalf("%+v %v", rules, err)
	}
	for left, want := range map[time.Duration]time.Duration{8 * day: 0, 7 * day: 7 * day, 2 * day: 7 * day, day: day, -day: day} {
		if got, ok := rules.Warned(left); got != want || ok != (want != 0) {
			t.Errorf("%s before the end the warning is %s, %v", left, got, ok)
		}
	}
	made := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	c := &Container{Name: "web1", CreatedAt: made}
	for _, tt := range []struct {
		now, until time.Duration // since it was made
		has        time.Duration
		refused    bool
	}{
		{0, 30 * day, 0, false}, {0, 31 * day, 0, true}, {50 * day, 80 * day, 0, false},
		{70 * day, 90 * day, 0, false}, {70 * day, 91 * day, 0, true},
		{0, 31 * day, 40 * day, false}, // made before the rule; shorter is always right
		{0, 41 * day, 40 * day, true},
	} {
		c.ExpiresAt = time.Time{}
		if tt.has != 0 {
			c.ExpiresAt = made.Add(tt.has)
		}
		err := rules.CheckKeep(c, made.Add(tt.until), made.Add(tt.now))
		if errors.Is(err, ErrDenied) != tt.refused {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	for text, want := range map[string]LeaseRules{"": {}, "x": {Default: 90 * day}} {
		if text == "x" {
			text = "90d"
		}
		got, err := LeaseRulesOf(map[string]string{LeaseDefault: text})
		if err != nil || got.Length() != want.Default || got.IsRequired() {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
}

// A lease ends first where it still has something to do.
func TestLeaseEnd(t *testing.T) {
	early, late := time.Unix(1000, 0), time.Unix(2000, 0)
	for _, tt := range []struct {
		c    Container
		want time.Time
	}{
		{Container{Intent: IntentRun}, time.Time{}},
		{Container{Intent: IntentRun, ExpiresAt: late}, late},
		{Container{Intent: IntentRun, ExpiresAt: late, RunUntil: early}, early},
		{Container{Intent: IntentStop, ExpiresAt: late, RunUntil: early}, late},
		{Container{Intent: IntentStop, RunUntil: early}, time.Time{}},
		{Container{Intent: IntentRun, ExpiresAt: early, RunUntil: late}, early},
		{Container{Intent: IntentStop, ExpiresAt: late, TrashedAt: early}, time.Time{}},
	} {
		if got := tt.c.LeaseEnd(); !got.Equal(tt.want) {
			t.Errorf("%+v ends %s, want %s", tt.c, got, tt.want)
		}
	}
}

func TestParseUntil(t *testing.T) {
	now := time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"30d": "2026-06-02T12:00:00Z", "90m": "2026-05-03T13:30:00Z", "2026-05-04T00:00:00Z": "2026-05-04T00:00:00Z",
		"0s": "", "2026-05-03T12:00:00Z": "", "2h ago": "", "soon": "", "": "",
	} {
		got, err := ParseUntil(text, now, now)
		if want == "" {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%q is %s, %v", text, got, err)
			}
		} else if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %s, %v, want %s", text, got, err, want)
		}
	}
	if got, err := ParseDurations("1d 7d,7d, 90m"); err != nil || DurationsText(got) != "7d,1d,1h30m" {
		t.Errorf("%v %v", got, err)
	}
	if _, err := ParseDurations("7d,soon"); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}
