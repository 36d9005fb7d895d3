package worker

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// modesMost bounds the modes of a terminal; OpenSSH sends 58.
const modesMost = 256

// terminalModes reads the modes of a terminal (RFC 4254 8) as inventory.SessionArgs has them: numbers
// 1 to 159 have a value of four bytes, and 0 or any higher one ends the list.
func terminalModes(raw []byte) (modes string, ok bool) {
	var all []string
	for len(raw) > 0 && raw[0] != 0 && raw[0] < 160 {
		if len(raw) < 5 || len(all) == modesMost {
			return "", false
		}
		all = append(all, fmt.Sprintf("%d=%d", raw[0], binary.BigEndian.Uint32(raw[1:])))
		raw = raw[5:]
	}
	return strings.Join(all, ","), true
}
