package wire

// A Page is a part of a list. Next is the cursor for the following part: opaque, and "" on the
// last.
type Page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"Give it as ?cursor= for the following part; absent on the last."`
}
