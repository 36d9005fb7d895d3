package inventory

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// SettingType decides how a value is read and checked.
type SettingType string

const (
	TypeBytes    SettingType = "bytes"
	TypeCPUs     SettingType = "cpus"     // a decimal number of CPUs: 0.5, 2
	TypeInt      SettingType = "int"      // a whole number
	TypeBool     SettingType = "bool"     // true or false
	TypeEnum     SettingType = "enum"     // one of Values
	TypeText     SettingType = "text"     // one line
	TypeDuration SettingType = "duration" // 30s, 12h, 7d
	// TypeDurations are several, with commas between, in any order.
	TypeDurations SettingType = "durations"
	TypeVerbs     SettingType = "verbs"    // names of verbs, separated by spaces
	TypeHours     SettingType = "hours"    // see Hours
	TypeSchedule  SettingType = "schedule" // see Schedule
	TypeKeep      SettingType = "keep"     // see Keep
	// TypeRecipients are public keys of age, with spaces between (C2SP age-encryption.org/v1).
	TypeRecipients SettingType = "recipients"
)

// Effect says what it takes for a changed setting to hold.
type Effect string

const (
	EffectLive    Effect = "live"    // at once, the container runs on
	EffectRestart Effect = "restart" // with the next start
	EffectReplace Effect = "replace" // needs a new rootfs
)

// Scope says where a setting may be set. A value set on a container wins over its project's,
// that over the host's, that over the default.
type Scope string

const (
	ScopeHost      Scope = "host"
	ScopeProject   Scope = "project"
	ScopeContainer Scope = "container"
)

// Risk is shown in plans and used by policies.
type Risk string

const (
	RiskLow    Risk = "low"
	RiskMedium Risk = "medium"
	RiskHigh   Risk = "high"
)

// A Setting is one row of the settings table, exported by the package that applies it. Flags,
// validation, the API schema, help and the manual all read this row.
type Setting struct {
	Name    string // "memory", "restart.policy"
	Scopes  []Scope
	Type    SettingType
	Unit    string   // for the reader: "bytes", "CPUs"
	Default string   // "" when there is none
	Values  []string // for TypeEnum; for TypeDuration words that stand for none; for TypeVerbs the verbs there are, filled in by who knows them
	Min     string   // inclusive; "" for no bound; "0" lets a size be none at all
	Max     string
	Effect  Effect
	Risk    Risk
	Doc     string // one sentence; where a figure has a source, the source
	// Valid, when set, judges a text by what only this setting means.
	Valid func(value string) error
}

// Check reports whether value can be given to the setting, and returns it in canonical form.
func (s Setting) Check(value string) (string, error) {
	canonical, n, err := s.parse(value)
	if err != nil {
		return "", Errorf(ErrInvalid, "%s: %v", s.Name, err)
	}
	if min, ok := s.bound(s.Min); ok && n < min {
		return "", Errorf(ErrInvalid, "%s can't be %s; the least is %s", s.Name, value, s.Min)
	}
	if max, ok := s.bound(s.Max); ok && n > max {
		return "", Errorf(ErrInvalid, "%s can't be %s; the most is %s", s.Name, value, s.Max)
	}
	return canonical, nil
}

// parse returns the canonical form and, for types with an order, the number to compare.
func (s Setting) parse(value string) (canonical string, n float64, err error) {
	switch s.Type {
	case TypeBytes:
		if s.Min == "0" && value == "0" {
			return "0", 0, nil
		}
		b, err := ParseBytes(value)
		return b.Exact(), float64(b), err
	case TypeDuration:
		if slices.Contains(s.Values, value) {
			return value, 0, nil
		}
		d, err := ParseDuration(value)
		return d.String(), float64(d), err
	case TypeCPUs, TypeInt:
		return s.parseNumber(value)
	case TypeBool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return "", 0, Errorf(ErrInvalid, "%q is neither true nor false", value)
		}
		return strconv.FormatBool(b), 0, nil
	case TypeEnum:
		if !slices.Contains(s.Values, value) {
			return "", 0, Errorf(ErrInvalid, "%q is none of %s", value, strings.Join(s.Values, ", "))
		}
	case TypeVerbs:
		verbs := strings.Fields(value)
		for _, verb := range verbs {
			if !slices.Contains(s.Values, verb) {
				return "", 0, Errorf(ErrInvalid, "there is no verb %q; they are named like container.purge", verb)
			}
		}
		return strings.Join(verbs, " "), 0, nil
	case TypeDurations:
		all, err := ParseDurations(value)
		return DurationsText(all), 0, err
	case TypeHours:
		h, err := ParseHours(value)
		return h.String(), 0, err
	case TypeSchedule:
		s, err := ParseSchedule(value)
		return s.String(), 0, err
	case TypeKeep:
		k, err := ParseKeep(value)
		return k.String(), 0, err
	case TypeRecipients:
		keys := strings.Fields(value)
		for _, key := range keys {
			if !isRecipient(key) {
				return "", 0, Errorf(ErrInvalid, "%q is no public age key; age-keygen makes one that begins with age1", key)
			}
		}
		return strings.Join(keys, " "), 0, nil
	case TypeText:
		if strings.ContainsAny(value, "\n\r\x00") {
			return "", 0, Errorf(ErrInvalid, "the value has to be one line")
		}
		if s.Valid != nil {
			return value, 0, s.Valid(value)
		}
	}
	return value, 0, nil
}

// isRecipient reports whether key has the form of a public X25519 key of age: Bech32 (BIP 173) of 32
// bytes and 6 characters of checksum, which is looked at when it is used.
func isRecipient(key string) bool {
	data, ok := strings.CutPrefix(key, "age1")
	return ok && len(data) == 58 && strings.Trim(data, "qpzry9x8gf2tvdw0s3jn54khce6mua7l") == ""
}

func (s Setting) parseNumber(value string) (string, float64, error) {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || n != n {
		return "", 0, Errorf(ErrInvalid, "%q is no number", value)
	}
	if s.Type == TypeInt && n != float64(int64(n)) {
		return "", 0, Errorf(ErrInvalid, "%q is no whole number", value)
	}
	return strconv.FormatFloat(n, 'f', -1, 64), n, nil
}

func (s Setting) bound(text string) (float64, bool) {
	if text == "" {
		return 0, false
	}
	_, n, err := s.parse(text)
	return n, err == nil
}

// Settings is the table of all settings of the agent, by name.
type Settings map[string]Setting

// NewSettings joins the rows of several packages. A name given twice is a mistake of the program,
// not of its user, hence the panic.
func NewSettings(groups ...[]Setting) Settings {
	table := Settings{}
	for _, group := range groups {
		for _, s := range group {
			if _, twice := table[s.Name]; twice {
				panic("setting " + s.Name + " is defined twice")
			}
			table[s.Name] = s
		}
	}
	return table
}

// Check validates every value and returns them in canonical form. It changes nothing.
func (t Settings) Check(scope Scope, values map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		s, ok := t[name]
		if !ok {
			return nil, Errorf(ErrInvalid,
				"there is no setting %q; 'lodge config list' shows them all", name)
		}
		if !slices.Contains(s.Scopes, scope) {
			return nil, Errorf(ErrInvalid, "%s can't be set on a %s", name, scope)
		}
		value, err := s.Check(values[name])
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}

// A Value is one setting in force, with where it came from.
type Value struct {
	Setting string
	Value   string
	Origin  string // "container", "project shop", "host", "default"
}

// Layer is one level of values and the origin shown for them.
type Layer struct {
	Origin string
	Values map[string]string
}

// Effective returns the value in force of every container setting, sorted by name. The first
// layer that has a value wins; the default comes last.
func (t Settings) Effective(layers ...Layer) []Value { return t.InForce(ScopeContainer, layers...) }

// InForce is Effective for the settings that may be set at scope.
func (t Settings) InForce(scope Scope, layers ...Layer) []Value {
	var out []Value
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if slices.Contains(t[name].Scopes, scope) {
			out = append(out, t.value(name, layers))
		}
	}
	return out
}

func (t Settings) value(name string, layers []Layer) Value {
	for _, layer := range layers {
		if value, ok := layer.Values[name]; ok {
			return Value{Setting: name, Value: value, Origin: layer.Origin}
		}
	}
	return Value{Setting: name, Value: t[name].Default, Origin: "default"}
}

// ValueMap turns effective values into a map from name to value.
func ValueMap(values []Value) map[string]string {
	m := make(map[string]string, len(values))
	for _, v := range values {
		m[v.Setting] = v.Value
	}
	return m
}

// A Reservation is what one container counts against quotas by its settings. Its addresses count
// too; they are known from its interfaces.
type Reservation struct {
	CPUs       float64
	Memory     Bytes
	Disk       Bytes
	Privileged bool
	Nested     bool
}
