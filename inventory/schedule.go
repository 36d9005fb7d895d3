package inventory

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// Never is what a schedule is called that has no run.
const Never = "never"

// A Schedule says when something is done again and again: every so often, or by the clock on the
// wall of a time zone. A time of day that daylight saving leaves out is the instant of the change,
// one that comes twice is the first of the two: what is due once a day is due once on those days
// too. A schedule for every hour goes by the hours that pass, so that none is left out.
//
// Spread gives each container a moment of its own within so long after the due time, always the
// same, so that two hundred of them don't start in the same second.
type Schedule struct {
	text   string
	every  time.Duration // not zero: that often, counted from the Unix epoch
	wall   cron
	zone   *time.Location
	Spread time.Duration
}

const (
	leastEvery  = time.Minute
	mostEvery   = 366 * 24 * time.Hour
	mostSpread  = 24 * time.Hour
	spreadWord  = "spread"
	scheduleFor = "write it like 'daily 02:00', 'every 6h', 'weekly sun 03:00', 'monthly 1 04:00' or as five fields of cron, " +
		"and behind it a time zone like Europe/Berlin and 'spread 30m' if it is to be so"
)

// ParseSchedule reads "hourly", "daily 02:00", "weekly sun 03:00", "monthly 1 04:00", "every 6h", the
// five fields of crontab(5), or "never"; behind it may come a time zone (UTC without one) and
// "spread 30m".
func ParseSchedule(text string) (s Schedule, err error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 || len(words) == 1 && words[0] == Never {
		return s, nil
	}
	s.zone = time.UTC
	words, err = s.takeSpread(words)
	if err == nil {
		words, err = s.takeZone(strings.Fields(text)[:len(words)], words)
	}
	if err == nil {
		err = s.takeTimes(words)
	}
	if err == nil && s.every == 0 && s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		err = Errorf(ErrInvalid, "schedule %q never comes", text)
	}
	if err != nil {
		return Schedule{}, err
	}
	s.text = strings.Join(words, " ")
	return s, nil
}

func (s *Schedule) takeSpread(words []string) ([]string, error) {
	n := len(words) - 2
	if n < 1 || words[n] != spreadWord {
		return words, nil
	}
	spread, err := ParseDuration(words[n+1])
	if err != nil || spread < time.Second || spread > mostSpread {
		return nil, Errorf(ErrInvalid, "a schedule can't be spread over %q, but over 1s to 24h", words[n+1])
	}
	s.Spread = spread
	return words[:n], nil
}

// takeZone takes a time zone off the end; names of zones have their capitals.
func (s *Schedule) takeZone(as, words []string) ([]string, error) {
	n := len(words) - 1
	zone := as[n]
	if zone != "UTC" && !strings.Contains(zone, "/") || zone[0] < 'A' || zone[0] > 'Z' || n == 0 {
		return words, nil
	}
	if words[0] == "every" {
		return nil, Errorf(ErrInvalid, "a schedule of 'every' has no time zone; leave out %s", zone)
	}
	var err error
	if s.zone, err = time.LoadLocation(zone); err != nil {
		return nil, Errorf(ErrInvalid, "there is no time zone %q; they are named like Europe/Berlin", zone)
	}
	return words[:n], nil
}

// takeTimes reads what is left: the times themselves.
func (s *Schedule) takeTimes(words []string) (err error) {
	if words[0] == "every" && len(words) == 2 {
		s.every, err = ParseDuration(words[1])
		if err != nil || s.every < leastEvery || s.every > mostEvery || s.every%time.Second != 0 {
			return Errorf(ErrInvalid, "%q can't be how often; it is from 1m to a year, in whole seconds", words[1])
		}
		return nil
	}
	fields := words
	if days, friendly := friendlyFields(words); friendly {
		fields = days
	}
	if s.wall, err = parseCron(fields); err != nil {
		return Errorf(ErrInvalid, "%q is no schedule (%w); %s", strings.Join(words, " "), err, scheduleFor)
	}
	return nil
}

// friendlyFields writes the friendly forms as five fields of cron.
func friendlyFields(words []string) (fields []string, ok bool) {
	clock := words[len(words)-1]
	minutes, isTime := parseClock(clock)
	if words[0] == "hourly" && len(words) == 1 {
		return strings.Fields("0 * * * *"), true
	}
	if !isTime || minutes == 24*60 {
		return nil, false
	}
	at := []string{strconv.Itoa(minutes % 60), strconv.Itoa(minutes / 60)}
	switch {
	case words[0] == "daily" && len(words) == 2:
		return append(at, "*", "*", "*"), true
	case words[0] == "weekly" && len(words) == 3:
		return append(at, "*", "*", words[1]), true
	case words[0] == "monthly" && len(words) == 3:
		return append(at, words[1], "*", "*"), true
	}
	return nil, false
}

// IsNever reports whether nothing is due, ever.
func (s Schedule) IsNever() bool { return s.zone == nil }

// String writes s as ParseSchedule reads it.
func (s Schedule) String() string {
	if s.IsNever() {
		return Never
	}
	text := s.text
	if s.zone != time.UTC {
		text += " " + s.zone.String()
	}
	if s.Spread > 0 {
		text += fmt.Sprintf(" %s %s", spreadWord, s.Spread)
	}
	return text
}

// In returns t as the clock of s's zone shows it.
func (s Schedule) In(t time.Time) time.Time {
	if s.IsNever() {
		return t.UTC()
	}
	return t.In(s.zone)
}

// Next returns the first due time after t; the zero time when there is none.
func (s Schedule) Next(t time.Time) time.Time {
	switch {
	case s.IsNever():
		return time.Time{}
	case s.every > 0:
		return t.Truncate(time.Second).Add(-sinceEpoch(t, s.every)).Add(s.every).UTC()
	}
	return s.wall.next(t, s.zone)
}

// sinceEpoch is how long before t the last multiple of every was, in whole seconds.
func sinceEpoch(t time.Time, every time.Duration) time.Duration {
	n := int64(every / time.Second)
	return time.Duration(((t.Unix()%n)+n)%n) * time.Second
}

// Delay is how long after the due time it is the turn of who has this name: less than Spread, and
// the same each time.
func (s Schedule) Delay(name string) time.Duration {
	if s.Spread <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	return time.Duration(h.Sum64() % uint64(s.Spread)).Truncate(time.Second)
}
