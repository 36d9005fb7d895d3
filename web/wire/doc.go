// Package wire holds the JSON types of Lodge's API, shared by the server (web/api) and its clients
// (web/client, the command line).
//
// The types are apart from the nouns of inventory so that a noun can change without changing the
// API. The parameters of verbs are the exception: inventory's *Args structs are the request bodies
// as they are, since they travel unchanged from the door into plans and operation rows.
//
// What holds for every type: times are RFC 3339 in UTC and absent when there is none; amounts of
// memory and storage are whole bytes in fields ending in _bytes; lists are [] and never null;
// fields may be added, and never change their meaning. `lodge -o json` prints exactly these.
package wire
