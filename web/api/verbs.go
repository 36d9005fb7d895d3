package api

import (
	"slices"
	"sync"

	"lodge/inventory"
	"lodge/manager/gate"
)

// reads are the verbs of the routes that only look, as far as no other package has them. Nothing
// but their right is asked for, and they leave no audit record.
var reads = []gate.Verb{
	{Name: "image.view", Right: inventory.RightEnter, Command: "image list"},
	{Name: "image.upload", Right: inventory.RightImage, Command: "image import"},
	{Name: "container.upload", Right: inventory.RightCreate, Command: "import"},
	{Name: "operation.view", Right: inventory.RightEnter, Command: "operation list"},
	{Name: "session.view", Right: inventory.RightEnter, Command: "session list"},
	{Name: "deadline.view", Right: inventory.RightEnter, Command: "show"},
	{Name: "event.view", Right: inventory.RightEnter, Command: "event tail"},
	{Name: "audit.view", Right: inventory.RightAudit, Command: "audit list"},
	{Name: "audit.export", Right: inventory.RightAudit, Command: "audit export"},
	{Name: "evidence.export", Right: inventory.RightAudit, Command: "evidence"},
	{Name: "audit.verify", Right: inventory.RightAudit, Command: "audit verify"},
	{Name: "host.view", Right: inventory.RightView, Command: "host show"},
	{Name: "host.check", Right: inventory.RightView, Command: "host check"},
	{Name: "network.view", Right: inventory.RightEnter, Command: "network list"},
	{Name: "address.view", Right: inventory.RightEnter, Command: "address list"},
	{Name: "pool.view", Right: inventory.RightEnter, Command: "pool list"},
}

// decisions are the verbs about what somebody has begun. Who began it may always cancel it, and so
// may who has the right of what it does.
var decisions = []gate.Verb{
	{Name: "operation.cancel", Right: inventory.RightView, Risk: inventory.RiskMedium,
		Interrupts: "what the operation did is undone", Command: "operation cancel"},
}

// Verbs returns the verbs of the door itself, for the gate's table.
func Verbs() []gate.Verb {
	all := slices.Concat(reads, decisions)
	for i := range all {
		all[i].Mode = gate.ModeDecision
		if i < len(reads) {
			all[i].Mode, all[i].Risk = gate.ModeRead, inventory.RiskLow
		}
	}
	return all
}

// VerbOperations says which API operation reaches each verb.
var VerbOperations = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, item := range New(Config{}).huma.OpenAPI().Paths {
		for _, op := range operationsOf(item) {
			if verb, ok := op.Extensions["x-lodge-verb"].(string); ok {
				all[verb] = op.OperationID
			}
			variants, _ := op.Extensions["x-lodge-verb-variants"].(map[string]string)
			for _, verb := range variants {
				if _, ok := all[verb]; !ok {
					all[verb] = op.OperationID
				}
			}
		}
	}
	return all
})
