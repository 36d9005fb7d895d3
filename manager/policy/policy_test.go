package policy_test

import (
	"context"
	"errors"
	"testing"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/policy"
)

// values are the host's settings; broken ones can't be read.
type values struct {
	hold   string
	broken error
}

func (v values) HostSettings(context.Context) (map[string]string, error) {
	return map[string]string{"policy.hold": v.hold}, v.broken
}

func TestReview(t *testing.T) {
	person, agent := inventory.Principal{Name: "root", Kind: inventory.KindPerson}, inventory.System("deadline")
	letGo := []inventory.EffectLine{{Field: "policy.hold", Before: "container.purge"}}
	size := []inventory.EffectLine{{Field: "memory", Before: "1GiB", After: "2GiB"}}
	for what, c := range map[string]struct {
		source  values
		request gate.Request
		effects []inventory.EffectLine
		want    gate.Verdict
	}{
		"no policy":                     {values{}, gate.Request{Verb: "container.purge", Principal: person}, nil, gate.Allow},
		"a verb it names":               {values{hold: "container.stop container.purge"}, gate.Request{Verb: "container.purge", Principal: person}, nil, gate.Hold},
		"a verb it doesn't name":        {values{hold: "container.purge"}, gate.Request{Verb: "container.pur", Principal: person}, nil, gate.Allow},
		"what the agent does by itself": {values{hold: "container.purge"}, gate.Request{Verb: "container.purge", Principal: agent}, nil, gate.Allow},
		"the first policy":              {values{}, gate.Request{Verb: "config.set", Principal: person}, letGo, gate.Allow},
		"letting go of a policy":        {values{hold: "container.purge"}, gate.Request{Verb: "config.set", Principal: person}, letGo, gate.Hold},
		"another setting beside them":   {values{hold: "container.purge"}, gate.Request{Verb: "config.set", Principal: person}, append(size, letGo...), gate.Hold},
		"letting go of change.*":        {values{hold: "container.purge"}, gate.Request{Verb: "config.set", Principal: person}, []inventory.EffectLine{{Field: "change.signature"}}, gate.Hold},
		"another setting alone":         {values{hold: "container.purge"}, gate.Request{Verb: "config.set", Principal: person}, size, gate.Allow},
		"policies that can't be read":   {values{broken: errors.New("disk")}, gate.Request{Verb: "container.stop", Principal: agent}, nil, gate.Deny},
	} {
		t.Run(what, func(t *testing.T) {
			got := policy.New(c.source).Review(t.Context(), &c.request, &inventory.Plan{Effects: c.effects})
			if got.Verdict != c.want {
				t.Errorf("%s (%v), want %s", got.Verdict, got.Reasons, c.want)
			}
			if got.Verdict == gate.Hold && (len(got.Needs) == 0 || len(got.Reasons) == 0) {
				t.Errorf("held, and nobody is told why or what for: %+v", got)
			}
		})
	}
}
