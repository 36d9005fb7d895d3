package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"lodge/inventory"
)

// keptMark begins a checkpoint in a line of a log: see FORMAT.md, "What leaves the host".
const keptMark = `{"lodge_checkpoint":"`

// maxLine bounds a line of a log.
const maxLine = 4 << 20

// KeptCheckpoints reads what was kept elsewhere: one checkpoint, or a log of whatever form whose lines
// have checkpoints in them, as a syslog collector writes it. ErrInvalid when there is none.
func KeptCheckpoints(in io.Reader) (notes [][]byte, err error) {
	lines := bufio.NewReaderSize(in, 64<<10)
	start, err := lines.Peek(checkpointSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if _, err := parseCheckpoint(trimPadding(start)); err == nil || bytes.Contains(start, []byte("\n\n"+sigPrefix)) {
		text, err := io.ReadAll(io.LimitReader(lines, maxLine))
		return [][]byte{text}, err
	}
	scan := bufio.NewScanner(lines)
	scan.Buffer(nil, maxLine)
	for scan.Scan() {
		before, found, ok := bytes.Cut(scan.Bytes(), []byte(keptMark))
		if !ok || bytes.LastIndexAny(before, ":,[") == len(before)-1 && len(before) > 0 {
			continue // or it is a part of a record, which anybody may have chosen
		}
		var note string
		quoted := append([]byte{'"'}, found...)
		if json.NewDecoder(bytes.NewReader(quoted)).Decode(&note) == nil {
			notes = append(notes, []byte(note))
		}
	}
	if err := scan.Err(); err != nil {
		return nil, err
	}
	if len(notes) == 0 {
		return nil, inventory.Errorf(inventory.ErrInvalid, "that is no checkpoint, nor a log with checkpoints in it")
	}
	return notes, nil
}
