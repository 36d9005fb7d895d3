package main

import (
	"fmt"
	"slices"
	"time"
)

// A sample is the measurements of one figure in one column.
type sample []time.Duration

// quantile is the value below which the share q of the sample lies, by nearest rank.
func (s sample) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (s sample) median() time.Duration { return s.quantile(0.5) }

// String is "median (min, p90)" in milliseconds.
func (s sample) String() string {
	if len(s) == 0 {
		return ""
	}
	if len(s) == 1 {
		return millis(s[0])
	}
	return fmt.Sprintf("%s (%s, %s)", millis(s.median()), millis(s.quantile(0)), millis(s.quantile(0.9)))
}

func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.2f", ms)
}

// timed measures one call. What fails is no measurement.
func timed(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}
