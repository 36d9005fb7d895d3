package sshgate

import (
	"net/netip"
	"testing"
	"time"
)

var (
	noon  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	here  = netip.MustParseAddr("192.0.2.7")
	there = netip.MustParseAddr("2001:db8::1")
)

func TestPenaltiesAddUp(t *testing.T) {
	s := newSources(func() float64 { return 1 })
	fail := func(a netip.Addr, at time.Time) bool {
		if !s.admit(a, at) {
			return false
		}
		s.decided(a, penaltyFailed, at)
		return true
	}
	for n := range 3 {
		if !fail(here, noon) {
			t.Fatalf("failure %d was not let in", n)
		}
	}
	if s.admit(here, noon) {
		t.Error("three failures at once cost nothing")
	}
	if !s.admit(there, noon) {
		t.Error("somebody else pays")
	}
	if !fail(here, noon.Add(16*time.Second)) {
		t.Error("kept out beyond the penalty")
	}
	for n := range 200 { // a source that never stops
		fail(here, noon.Add(time.Minute+time.Duration(n)*time.Second))
	}
	if late := noon.Add(time.Minute + 200*time.Second + penaltyMost); !s.admit(here, late) {
		t.Error("kept out for longer than ten minutes")
	}
}

func TestSourceOfIPv6IsItsNetwork(t *testing.T) {
	s := newSources(func() float64 { return 1 })
	if !s.admit(there, noon) {
		t.Fatal("not let in")
	}
	s.decided(there, penaltyCrash, noon)
	if s.admit(netip.MustParseAddr("2001:db8::ffff"), noon) {
		t.Error("a second address of one network is let in")
	}
	if !s.admit(netip.MustParseAddr("2001:db8:0:1::1"), noon) {
		t.Error("another network pays")
	}
	if s.admit(netip.MustParseAddr("::ffff:192.0.2.7"), noon); s.from[sourceOf(here)] == nil {
		t.Error("an IPv4 address in IPv6 form is another source")
	}
}

func TestStartsAreDroppedEarly(t *testing.T) {
	s := newSources(func() float64 { return 0.5 })
	in := 0
	for n := range 200 {
		if s.admit(netip.AddrFrom4([4]byte{10, 0, byte(n / 10), byte(n)}), noon) {
			in++
		}
	}
	if in <= startsFree || in >= startsMost {
		t.Errorf("%d of 200 that do not sign in were let in", in)
	}
	for range in {
		s.decided(here, 0, noon)
	}
	if s.starting != 0 {
		t.Errorf("%d still count", s.starting)
	}
	many := 0
	for range 50 {
		if s.admit(here, noon) {
			many++
		}
	}
	if many > startsFromSource {
		t.Errorf("one source has %d that do not sign in", many)
	}
}
