package recording_test

import (
	"bytes"
	"strings"
	"testing"

	"lodge/manager/session/recording"
)

func TestFilter(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"text", "plain \tüñ 漢 🙂\r\n", "plain \tüñ 漢 🙂\r\n"},
		{"colours", "\x1b[1;38;2;1;2;3mx\x1b[0m\x1b[4:3m", "\x1b[1;38;2;1;2;3mx\x1b[0m\x1b[4:3m"},
		{"moves and erasing", "\x1b[2J\x1b[H\x1b[5;7Hx\x1b[K\x1b[3A\x1b[1;20r", "\x1b[2J\x1b[H\x1b[5;7Hx\x1b[K\x1b[3A\x1b[1;20r"},
		{"the other screen and the cursor", "\x1b[?1049h\x1b[?25l\x1b[?25h", "\x1b[?1049h\x1b[?25l\x1b[?25h"},
		{"line drawing", "\x1b(0qqq\x1b(B\x0e\x0f", "\x1b(0qqq\x1b(B\x0e\x0f"},
		{"title", "a\x1b]0;rm -rf /\x07b", "ab"},
		{"title, ended otherwise", "a\x1b]2;x\x1b\\b", "ab"},
		{"title, never ended", "a\x1b]2;x and all that follows", "a"},
		{"title by C1", "a\u009d0;x\u009cb", "ab"},
		{"clipboard", "\x1b]52;c;cm0gLXJmIC8K\x07", ""},
		{"clipboard asked for", "\x1b]52;c;?\x1b\\", ""},
		{"links", "\x1b]8;;http://x/\x1b\\text\x1b]8;;\x1b\\", "text"},
		{"colours asked for", "\x1b]10;?\x07\x1b]4;1;?\x07", ""},
		{"DCS: settings asked for", "a\x1bP$qm\x1b\\b", "ab"},
		{"DCS: capabilities asked for", "a\x1bP+q544e\x1b\\b", "ab"},
		{"DCS: sixels", "a\x1bPq#0;2;0;0;0~\x1b\\b", "ab"},
		{"DCS by C1", "a\u0090$qm\u009cb", "ab"},
		{"APC, PM, SOS", "\x1b_x\x1b\\\x1b^y\x1b\\\x1bXz\x1b\\.", "."},
		{"title reported", "\x1b[21t\x1b[20t", ""},
		{"window moved, sized, asked", "\x1b[3;0;0t\x1b[8;1;1t\x1b[14t\x1b[18t\x1b[22;0t", ""},
		{"device asked for", "\x1b[c\x1b[0c\x1b[>c\x1b[=c\x1bZ\x1b[>q\x1b[x", ""},
		{"position and status asked for", "\x1b[6n\x1b[5n\x1b[?6n\x1b[?15n", ""},
		{"modes asked for", "\x1b[?25$p\x1b[4$p", ""},
		{"checksum of the screen", "\x1b[1;1;1;1;2;2*y", ""},
		{"answerback", "a\x05b", "ab"},
		{"mouse, focus, pasting, cursor keys", "\x1b[?1000h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[?1h\x1b=\x1b>", ""},
		{"one bad mode among good ones", "\x1b[?25;1000h", ""},
		{"keyboard protocols", "\x1b[>1u\x1b[>4;2m\x1b[=5u", ""},
		{"CSI by C1", "\u009b6n\u009b31mred", "\x1b[31mred"},
		{"bytes that are no text", "a\x9b6nb\xff", "a\ufffd6nb\ufffd"},
		{"a cut character", "\xe2\x82\xacuro \xe2\x82x", "€uro \ufffd\ufffdx"},
		{"NUL and DEL", "a\x00b\x7fc", "abc"},
		{"turned directions", "ab\u202ecd\u2066", "abcd"},
		{"ESC in a string begins anew", "\x1b]0;x\x1b[31mred", "\x1b[31mred"},
		{"CAN ends a sequence", "\x1b[31\x18m", "m"},
		{"controls in a sequence", "\x1b[3\r1m", "\r\x1b[31m"},
		{"a sequence without end", "\x1b[" + string(bytes.Repeat([]byte("1;"), 4000)) + "mx", "x"},
		{"what scrolled away before", "\x1b[3Ja\x1b[03J\x1b[?3J\x1b[2J", "a\x1b[2J"},
		{"the Arabic mark of direction", "a\u061cb", "ab"},
		{"repeat", "-\x1b[79b\x1b[999999999b", "-\x1b[79b"},
		{"shape of the cursor", "\x1b[2 q", "\x1b[2 q"},
		{"a printer, a macro", "\x1b[5i\x1b[?5i\x1b[1*z\x1b#3", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var whole, cut bytes.Buffer
			recording.NewFilter(&whole).Write([]byte(tc.in))
			f := recording.NewFilter(&cut)
			for i := range len(tc.in) {
				f.Write([]byte(tc.in[i : i+1]))
			}
			if whole.String() != tc.want {
				t.Errorf("got %q, want %q", whole.String(), tc.want)
			}
			if cut.String() != whole.String() {
				t.Errorf("cut between all bytes it is %q", cut.String())
			}
		})
	}
}

// TestRestore: whatever passes and lasts is undone.
func TestRestore(t *testing.T) {
	for _, tc := range []struct{ name, lasts, undone string }{
		{"attributes", "\x1b[8m", "\x1b[0m"},
		{"updates at once", "\x1b[?2026h", "\x1b[?2026l"},
		{"no wrapping", "\x1b[?7l", "\x1b[?7h"},
		{"no cursor", "\x1b[?25l", "\x1b[?25h"},
		{"the cursor's shape", "\x1b[5 q", "\x1b[0 q"},
		{"inserting", "\x1b[4h", "\x1b[4l"},
		{"what Return sends", "\x1b[20h", "\x1b[20l"},
		{"reversed video", "\x1b[?5h", "\x1b[?5l"},
		{"origin", "\x1b[?6h", "\x1b[?6l"},
		{"margins", "\x1b[5;6r", "\x1b[r"},
		{"the other screen", "\x1b[?1049h", "\x1b[?1049l"},
		{"G0", "\x1b(0", "\x1b(B"},
		{"G1", "\x1b)0", "\x1b)B"},
		{"G2", "\x1b*0", "\x1b*B"},
		{"G3", "\x1b+0", "\x1b+B"},
		{"shifted out", "\x0e", "\x0f"},
	} {
		var passed bytes.Buffer
		recording.NewFilter(&passed).Write([]byte(tc.lasts))
		if passed.String() != tc.lasts || !strings.Contains(recording.Restore, tc.undone) {
			t.Errorf("%s: %q passes, and %q does not follow", tc.name, passed.String(), tc.undone)
		}
	}
}

// FuzzFilter: nothing that passes asks, sets or ends up as a string.
func FuzzFilter(f *testing.F) {
	f.Add([]byte("\x1b]52;c;x\x07\x1b[6n\u009bc"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var once, twice bytes.Buffer
		recording.NewFilter(&once).Write(in)
		recording.NewFilter(&twice).Write(once.Bytes())
		if !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("%q passes as %q, which passes as %q", in, once.Bytes(), twice.Bytes())
		}
		for _, bad := range []string{"\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1bZ", "\x05", "\x00"} {
			if bytes.Contains(once.Bytes(), []byte(bad)) {
				t.Errorf("%q passes as %q", in, once.Bytes())
			}
		}
	})
}
