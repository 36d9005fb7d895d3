package api

import (
	"encoding/base64"
	"strconv"
	"strings"

	"lodge/inventory"
)

// ContainerQuery chooses containers.
type ContainerQuery struct {
	Project string // "" for every project
	Prefix  string // of the name
	Trash   bool   // those in the trash, instead of those that are not
	// After is the project and name of the last container of the page before; Limit 0 is no limit.
	After inventory.Ref
	Limit int
}

// OperationQuery chooses operations. Zero fields choose all.
type OperationQuery struct {
	Project   string
	Container inventory.ContainerID
	State     inventory.OperationState
	Verb      string
	Before    inventory.OperationID
	Limit     int
}

// ChangeQuery chooses changes.
type ChangeQuery struct {
	States []inventory.ChangeState // none: every state
	Class  inventory.ChangeClass
	// Reviews takes those with an open review beside those in States.
	Reviews bool
	Before  inventory.ChangeID
	Limit   int
}

// DeadlineQuery chooses deadlines.
type DeadlineQuery struct {
	Container inventory.ContainerID
	Done      bool // those that are over, instead of those that wait
}

// AddressQuery chooses rows of the address plan.
type AddressQuery struct {
	Network   string
	IP        string
	Container inventory.ContainerID
	History   bool // rows that are over too
}

// RecordQuery selects audit records.
type RecordQuery = inventory.RecordQuery

// Limits of a page. A host's containers fit one; other lists are read a screen at a time.
const (
	maxPage     = 1000
	defaultPage = 100
)

// Paging are the query parameters of a list.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"Most items of one page."`
	Cursor string `query:"cursor" maxLength:"512" doc:"The next of the page before. Opaque."`
}

func (p Paging) limit(standard int) int {
	if p.Limit == 0 {
		return standard
	}
	return p.Limit
}

// A cursor is the key of the last item of a page in base64: opaque, so that what it holds may
// change, and stable while items come and go.
func encodeCursor(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

// decode returns the parts of the cursor; none for the first page.
func (p Paging) decode(parts int) ([]string, error) {
	if p.Cursor == "" {
		return make([]string, parts), nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	fields := strings.Split(string(raw), "\x00")
	if err != nil || len(fields) != parts {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"the cursor is not one of this list; begin again without one")
	}
	return fields, nil
}

func (p Paging) decodeNumber() (int64, error) {
	parts, err := p.decode(1)
	if err != nil || parts[0] == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || n < 0 {
		return 0, inventory.Errorf(inventory.ErrInvalid,
			"the cursor is not one of this list; begin again without one")
	}
	return n, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
