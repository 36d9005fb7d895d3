package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"lodge/inventory"
)

// perTry are parameters that differ each time the same thing is asked for: the name under which a
// door has spooled an upload.
var perTry = []string{"upload"}

// fingerprint tells whether two requests with one idempotency key ask for the same. It is taken
// before Prepare fills in what was not given.
func fingerprint(r Request) string {
	args := r.Args
	var fields map[string]json.RawMessage
	if json.Unmarshal(args, &fields) == nil {
		for _, name := range perTry {
			delete(fields, name)
		}
		args, _ = json.Marshal(fields) // a map of valid values can't fail, and is written sorted
	}
	raw, _ := json.Marshal([]string{r.Verb, r.Ref.String(), string(args)})
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// repeated returns the operation that the caller's idempotency key has made. It is asked for before
// anything else is judged: the first try has changed what would be looked at, and a create asked
// for again would find its own name taken.
func (g *Gate) repeated(ctx context.Context, r Request, print string) (*inventory.Operation, error) {
	p, ok := inventory.PrincipalFrom(ctx)
	if r.Key == "" || r.PlanOnly || !ok {
		return nil, nil
	}
	op, ok, err := g.Store.Repeated(ctx, p.Name, r.Verb, r.Key)
	if err != nil || !ok {
		return nil, err
	}
	var data map[string]json.RawMessage
	var t tail
	if json.Unmarshal(op.Data, &data) == nil {
		json.Unmarshal(data[tailKey], &t)
	}
	if t.Print != "" && t.Print != print {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"the idempotency key %q was used for another %s, operation %s; take a new one for each request", r.Key, r.Verb, op.ID)
	}
	return &op, nil
}
