package worker

import (
	"errors"
	"io"
	"strings"

	"lodge/inventory"
)

// choiceMost bounds what is typed as a choice.
const choiceMost = 200

var errLeft = inventory.Errorf(inventory.ErrInvalid, "no container was chosen")

// write shows text on the person's terminal, whose lines end in two bytes.
func (w *session) write(text string) {
	if w.args.TTY {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	io.WriteString(w.channel, text)
}

// choose reads which container somebody wants. Where they have a terminal, it is in raw mode at their
// end and nobody else echoes what they type.
func (w *session) choose() (string, error) {
	w.write("Which one? ")
	var line []byte
	key := make([]byte, 1)
	for {
		if _, err := w.channel.Read(key); err != nil {
			return "", errLeft
		}
		switch k := key[0]; {
		case k == '\r' || k == '\n':
			if w.args.TTY {
				w.write("\n")
			}
			if len(line) > 0 {
				return string(line), nil
			}
			return "", errLeft
		case k == 3 || k == 4: // Ctrl-C, Ctrl-D
			w.write("\n")
			return "", errLeft
		case k == 8 || k == 0x7f:
			if len(line) > 0 {
				line = line[:len(line)-1]
				w.echo("\b \b")
			}
		case k > ' ' && k < 0x7f:
			if line = append(line, k); len(line) > choiceMost {
				return "", errors.New("that is too long for a name")
			}
			w.echo(string(k))
		}
	}
}

func (w *session) echo(text string) {
	if w.args.TTY {
		io.WriteString(w.channel, text)
	}
}
