package store

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// Times are INTEGER unix nanoseconds in UTC: they sort, compare and mean the same in every
// dialect. The zero time is 0, or NULL in a column that can have none.

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func nanosOrNull(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ns := t.UnixNano()
	return &ns
}

func instant(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func instantOrZero(ns *int64) time.Time {
	if ns == nil {
		return time.Time{}
	}
	return instant(*ns)
}

// A document is a column that holds T as JSON text. Nothing looks into it but the agent. Nil
// pointers, maps and slices are NULL.
type document[T any] struct{ V T }

func doc[T any](v T) document[T] { return document[T]{v} }

// GormDataType keeps gorm from looking into the struct for columns.
func (document[T]) GormDataType() string { return "text" }

// Value writes the column.
func (d document[T]) Value() (driver.Value, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // raw JSON inside has to come back byte for byte
	if err := e.Encode(d.V); err != nil {
		return nil, err
	}
	text := string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	if text == "null" {
		return nil, nil
	}
	return text, nil
}

// Scan reads the column.
func (d *document[T]) Scan(src any) error {
	var zero T
	d.V = zero
	switch text := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(text), &d.V)
	case []byte:
		return json.Unmarshal(text, &d.V)
	}
	return fmt.Errorf("a document column holds %T", src)
}

// Raw JSON is kept as it came.

func rawOrNull(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	text := string(raw)
	return &text
}

func rawFrom(text *string) json.RawMessage {
	if text == nil {
		return nil
	}
	return json.RawMessage(*text)
}

// nouns turns the rows of a query into nouns.
func nouns[R, N any](path string, rows []R, err error, noun func(R) N) ([]N, error) {
	if err != nil {
		return nil, explain(path, err)
	}
	out := make([]N, len(rows))
	for i, r := range rows {
		out[i] = noun(r)
	}
	return out, nil
}
