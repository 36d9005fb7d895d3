package anchor

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lodge/inventory"
)

func TestMessages(t *testing.T) {
	at := time.Date(2026, 5, 3, 12, 0, 0, 123456789, time.UTC)
	r := &Record{Seq: 17, Hash: "ab", Payload: []byte(`{"seq":17}`), Record: inventory.Record{At: at, Kind: inventory.RecordRefusal,
		Verb: "container.delete", Name: "a\"b]c\\d\ne\u202e", Principal: inventory.Principal{Name: strings.Repeat("ü", 100)}}}
	got := recordMessages("my host", "lodge.audit/x", r)
	want := `<108>1 2026-05-03T12:00:00.123456Z my_host lodged - container.delete [lodge@32473 origin="lodge.audit/x" seq="17" hash="ab" ` +
		`kind="refusal" by="` + strings.Repeat("ü", 64) + `" name="a\"b\]c\\d` + "\ufffde\ufffd" + `"] {"seq":17}`
	if len(got) != 1 || string(got[0]) != want {
		t.Errorf("it is written as\n%s\nnot as\n%s", got, want)
	}
	r.Payload = []byte(strings.Repeat("é€😀x", 5000))
	var whole strings.Builder
	for i, m := range recordMessages("h", "o", r) {
		if len(m) > maxMessage || !utf8.Valid(m) {
			t.Errorf("part %d has %d bytes, or not whole characters", i, len(m))
		}
		_, text, _ := strings.Cut(string(m), `"] `)
		whole.WriteString(text)
	}
	if whole.String() != string(r.Payload) {
		t.Error("the parts are not the record")
	}
	if w := word("", 32); w != "-" {
		t.Errorf("no name is written as %q", w)
	}
	note := "lodge.audit/x\n7\nAAAA\n\n— lodge.audit/x c2ln\n"
	text := checkpointText(Checkpoint{Size: 7, Note: note})
	var back struct {
		Note string `json:"lodge_checkpoint"`
	}
	if err := json.Unmarshal(text, &back); err != nil || back.Note != note || strings.ContainsFunc(string(text), func(r rune) bool { return r > 0x7e || r < ' ' }) {
		t.Errorf("%s: %v", text, err)
	}
}
