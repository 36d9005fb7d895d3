package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is when five fields of crontab(5) are due: sets of numbers, a bit for each.
type cron struct {
	minutes, hours, days, months, weekdays uint64
	anyDay, anyWeekday, anyHour            bool // the field was *
}

// A cronField is what may stand in one of the five.
type cronField struct {
	name        string
	first, last int
	names       []string // of the numbers from first on
}

var monthNames = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

var cronFields = []cronField{{"minutes", 0, 59, nil}, {"hours", 0, 23, nil}, {"days of the month", 1, 31, nil},
	{"months", 1, 12, monthNames}, {"days of the week", 0, 7, dayNames}}

func parseCron(fields []string) (c cron, err error) {
	if len(fields) != len(cronFields) {
		return c, errors.New("it is no form I know, and cron has five fields")
	}
	for i, into := range []*uint64{&c.minutes, &c.hours, &c.days, &c.months, &c.weekdays} {
		if *into, err = cronFields[i].parse(fields[i]); err != nil {
			return c, err
		}
	}
	c.anyHour, c.anyDay, c.anyWeekday = fields[1] == "*", fields[2][0] == '*', fields[4][0] == '*'
	if c.weekdays&(1<<7) != 0 { // 7 is Sunday as well
		c.weekdays |= 1
	}
	return c, nil
}

// parse reads a list of "*", numbers, names and ranges, each with a step or without.
func (f cronField) parse(text string) (set uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		every := 1
		if stepped {
			if every, err = strconv.Atoi(step); err != nil || every < 1 || every > f.last {
				return 0, fmt.Errorf("%q is no step of %s", step, f.name)
			}
		}
		first, last := f.first, f.last
		if span != "*" {
			from, to, ranged := strings.Cut(span, "-")
			if first, err = f.number(from); err != nil {
				return 0, err
			}
			last = first
			if stepped {
				last = f.last
			}
			if ranged {
				if last, err = f.number(to); err != nil {
					return 0, err
				}
			}
		}
		if first > last {
			return 0, fmt.Errorf("%q of the %s ends before it begins", span, f.name)
		}
		for n := first; n <= last; n += every {
			set |= 1 << n
		}
	}
	return set, nil
}

func (f cronField) number(text string) (int, error) {
	if n := slices.Index(f.names, text); n >= 0 {
		return f.first + n, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.first || n > f.last {
		return 0, fmt.Errorf("%q is none of the %s", text, f.name)
	}
	return n, nil
}

// cronReach is how many days are looked through for the next time: 29 February may be eight years
// away.
const cronReach = 8*366 + 1

// next is the first time after t.
func (c cron) next(t time.Time, zone *time.Location) time.Time {
	year, month, today := t.In(zone).Date()
	for n := 0; n < cronReach; n++ {
		day := time.Date(year, month, today+n, 0, 0, 0, 0, time.UTC)
		if !c.hasDay(day) {
			continue
		}
		if at := c.nextOf(day, t, zone); !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

// hasDay: where neither the day of the month nor that of the week is *, either does (crontab(5)).
func (c cron) hasDay(day time.Time) bool {
	if c.months&(1<<day.Month()) == 0 {
		return false
	}
	inMonth, inWeek := c.days&(1<<day.Day()) != 0, c.weekdays&(1<<day.Weekday()) != 0
	if c.anyDay || c.anyWeekday {
		return inMonth && inWeek
	}
	return inMonth || inWeek
}

// nextOf is the first time after t of a day (given in UTC). With every hour it goes by the time that
// passes: on the day when the clock is put back the hour that comes twice has its times twice.
func (c cron) nextOf(day, t time.Time, zone *time.Location) time.Time {
	if c.anyHour {
		at, end := wallInstant(day, 0, zone), wallInstant(day, 24*60, zone)
		if !at.After(t) {
			at = t.Truncate(time.Minute).Add(time.Minute).UTC()
		}
		for ; at.Before(end); at = at.Add(time.Minute) {
			if c.minutes&(1<<at.In(zone).Minute()) != 0 {
				return at
			}
		}
		return time.Time{}
	}
	for minute := range 24 * 60 {
		if c.hours&(1<<(minute/60)) == 0 || c.minutes&(1<<(minute%60)) == 0 {
			continue
		}
		if at := wallInstant(day, minute, zone); at.After(t) {
			return at
		}
	}
	return time.Time{}
}
