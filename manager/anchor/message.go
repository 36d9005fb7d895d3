package anchor

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lodge/inventory"
)

const (
	// facility is "log audit" (RFC 5424, table 1).
	facility = 13
	// maxMessage is the bytes of one message. Every collector of RFC 5425 takes 2048 and should take
	// 8192 (4.3.1); rsyslog's default is that, too. What is longer goes in parts.
	maxMessage = 8192
	// structureID names our structured data. 32473 is the enterprise number for examples (RFC 5612).
	structureID = "lodge@32473"
	// maxParameter bounds what strangers chose: the whole of it is in the message.
	maxParameter = 128
)

// Severities of RFC 5424, table 2.
const (
	severityWarning = 4
	severityNotice  = 5
	severityInfo    = 6
)

// severity of a record: what was refused or failed stands out.
func severity(r *inventory.Record) int {
	switch {
	case r.Kind == inventory.RecordRefusal:
		return severityWarning
	case r.Kind == inventory.RecordIntent, r.Outcome == "" || r.Outcome == inventory.OutcomeSuccess:
		return severityInfo
	}
	return severityNotice
}

// A parameter is one of the structured data.
type parameter struct{ name, value string }

// recordMessages are the syslog messages of a record: one, unless it is too long. Their texts in
// order are the record's bytes.
func recordMessages(host, origin string, r *Record) [][]byte {
	about := []parameter{{"origin", origin}, {"seq", strconv.FormatInt(r.Seq, 10)}, {"hash", r.Hash},
		{"kind", string(r.Kind)}, {"outcome", string(r.Outcome)}, {"by", r.Principal.Name}, {"subject", r.Subject}, {"name", r.Name}}
	return messages(header(severity(&r.Record), r.At, host, r.Verb), about, r.Payload)
}

// checkpointMessage is the one of a checkpoint.
func checkpointMessage(host, origin string, c Checkpoint) []byte {
	about := []parameter{{"origin", origin}, {"size", strconv.FormatInt(c.Size, 10)}}
	return messages(header(severityInfo, c.At, host, checkpointID), about, checkpointText(c))[0]
}

const checkpointID = "audit.checkpoint"

// checkpointText is the note as JSON in ASCII, on one line: {"lodge_checkpoint":"..."}. No collector has
// a reason to change anything in it. A note is ASCII but for its dash, so Go's quotes are JSON's.
func checkpointText(c Checkpoint) []byte {
	return fmt.Appendf(nil, `{"lodge_checkpoint":%s}`, strconv.QuoteToASCII(c.Note))
}

// header is HEADER of RFC 5424, 6.2, without the version's neighbours.
func header(severity int, at time.Time, host, id string) string {
	return fmt.Sprintf("<%d>1 %s %s lodged - %s ", facility*8+severity,
		at.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), word(host, 255), word(id, 32))
}

// word is PRINTUSASCII of RFC 5424, 6.
func word(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return '_'
	}, text)
	return cmp.Or(text[:min(len(text), limit)], "-")
}

// messages puts header, structured data and text together. MSG has no BOM, so it is octets to a
// collector (RFC 5424, 6.4), which leaves them as they are.
func messages(header string, about []parameter, text []byte) (out [][]byte) {
	room := maxMessage - len(header) - len(structured(append(about, parameter{"part", "9999"}, parameter{"parts", "9999"}))) - 1
	if len(text) <= room {
		return [][]byte{fmt.Appendf(nil, "%s%s %s", header, structured(about), text)}
	}
	var pieces [][]byte
	for len(text) > 0 {
		n := cut(text, room)
		pieces, text = append(pieces, text[:n]), text[n:]
	}
	for i, piece := range pieces {
		data := structured(append(about[:len(about):len(about)],
			parameter{"part", strconv.Itoa(i + 1)}, parameter{"parts", strconv.Itoa(len(pieces))}))
		out = append(out, fmt.Appendf(nil, "%s%s %s", header, data, piece))
	}
	return out
}

// cut returns how many of at most limit bytes end with a whole character.
func cut(text []byte, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	for n := limit; n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return limit
}

// structured is STRUCTURED-DATA of RFC 5424, 6.3: the characters ", \ and ] are escaped. Control and
// format characters become U+FFFD, since a collector shows these values; the record has what they were.
func structured(about []parameter) string {
	var b strings.Builder
	b.WriteString("[" + structureID)
	for _, p := range about {
		if p.value == "" {
			continue
		}
		b.WriteString(" " + p.name + `="`)
		for _, r := range shorten(p.value) {
			switch {
			case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
				b.WriteRune(utf8.RuneError)
			case strings.ContainsRune(`"\]`, r):
				b.WriteByte('\\')
				b.WriteRune(r)
			default:
				b.WriteRune(r)
			}
		}
		b.WriteByte('"')
	}
	return b.String() + "]"
}

func shorten(text string) string {
	return strings.ToValidUTF8(text[:cut([]byte(text), maxParameter)], string(utf8.RuneError))
}
