// Package api is Lodge's REST door: it says who is calling, hands what they ask for to the gate,
// and writes the answer as JSON.
//
// The door decides nothing. A mutation becomes a gate.Request and is answered with the operation
// it became (202, or 200 if it has ended), its plan (?plan=true, 200) or the change that now waits
// for others (202, Location /v1/changes/ID). A read passes the gate under a verb of its own, see
// Verbs. Errors are RFC 9457 problems whose type is the error kind; wire.Problem reads them back.
//
// Who is calling comes from the Unix socket's peer credentials, see Config and Server.
//
// # Query parameters and headers of every mutation
//
//	?plan=true         show what would change and stop
//	?wait=30s          wait that long for the operation to end; 200 if it did
//	?reason= ?ticket=  kept in the operation and the audit journal
//	If-Match: "7"      refuse (412) unless the container is at revision 7, its ETag
//	Idempotency-Key:   repeating a request with it gives the same operation for 24 hours
//
// JSON routes are huma operations; streams (files, console, events, sessions, image uploads) are
// plain handlers, since huma reads bodies into memory, and stand in the same OpenAPI document
// beside them. openapi.yaml is that document, committed, so that a change of the API is reviewed:
// go test ./web/api -run OpenAPI -update writes it.
package api
