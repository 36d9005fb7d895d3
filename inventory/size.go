package inventory

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes is an amount of memory or storage.
type Bytes int64

// Binary units (IEC 80000-13).
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

var byteUnits = []struct {
	suffix string
	size   Bytes
}{
	{"KiB", KiB}, {"MiB", MiB}, {"GiB", GiB}, {"TiB", TiB},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseBytes reads "512MiB", "2GiB", "10GB" or a plain number of bytes. Zero and negative
// amounts are refused: no setting takes them.
func ParseBytes(s string) (Bytes, error) {
	number, unit := strings.TrimSpace(s), Bytes(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, Errorf(ErrInvalid, "%q is no size; write it like 512MiB, 2GiB or 10GB", s)
	}
	if f <= 0 {
		return 0, Errorf(ErrInvalid, "a size of %s is not possible; it has to be more than zero", s)
	}
	if f*float64(unit) >= math.MaxInt64 {
		return 0, Errorf(ErrInvalid, "a size of %s is more than any disk holds", s)
	}
	return Bytes(f * float64(unit)), nil
}

// String writes the amount with the largest binary unit that keeps it readable: 512MiB, 1.5GiB.
func (b Bytes) String() string {
	for _, u := range []struct {
		suffix string
		size   Bytes
	}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}} {
		if b >= u.size {
			s := strconv.FormatFloat(float64(b)/float64(u.size), 'f', 1, 64)
			return strings.TrimSuffix(s, ".0") + u.suffix
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}

// Exact writes the amount so that ParseBytes reads the same amount again, with the largest unit that
// divides it: 1100MiB, 10GB, 1536MiB for 1.5GiB.
func (b Bytes) Exact() string {
	for _, u := range []struct {
		suffix string
		size   Bytes
	}{{"TiB", TiB}, {"TB", 1e12}, {"GiB", GiB}, {"GB", 1e9}, {"MiB", MiB}, {"MB", 1e6}, {"KiB", KiB}, {"kB", 1e3}} {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// ParseDuration reads what time.ParseDuration reads, and days: "30m", "12h", "7d", "1d12h".
func ParseDuration(s string) (time.Duration, error) {
	rest, days := s, 0
	if head, tail, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.Atoi(head)
		if err != nil || n < 0 || n > 36500 {
			return 0, Errorf(ErrInvalid, "%q is no duration; write it like 30m, 12h or 7d", s)
		}
		if days, rest = n, tail; rest == "" {
			rest = "0s"
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return 0, Errorf(ErrInvalid, "%q is no duration; write it like 30m, 12h or 7d", s)
	}
	return time.Duration(days)*24*time.Hour + d, nil
}

// ParseTime reads RFC 3339, a date, or "2h ago" relative to now.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if head, ok := strings.CutSuffix(s, " ago"); ok {
		d, err := ParseDuration(strings.ReplaceAll(head, " ", ""))
		return now.Add(-d), err
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04",
		"2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, Errorf(ErrInvalid,
		"%q is no time; write it like 2026-05-03T14:00:00Z or '2h ago'", s)
}
