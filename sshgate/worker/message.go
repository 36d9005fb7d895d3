package worker

import "lodge/inventory"

// What a worker asks of the gateway. Every request is answered, in any order.
const (
	OpSign     = "sign"     // Data with host key Key by Algorithm; the answer is Blob
	OpOffer    = "offer"    // may this key sign in as User? It has proved nothing yet
	OpVerified = "verified" // the key has signed: who is it? The connection is theirs from here on
	OpFailed   = "failed"   // nobody signed in; Reason says in which way
	OpOpen     = "open"     // a session; a descriptor of the connection to its holder comes along, or Text to choose Host from
	OpDial     = "dial"     // a connection from inside the container, to Host and Port or Path; its descriptor comes along
	OpListen   = "listen"   // a port or Path inside the container; the listener comes along, Port says which
	OpAgent    = "agent"    // a socket inside the container that stands for the client's agent; the listener comes along
	OpUsed     = "used"     // what a connection of a forward moved, and that it is over
	OpClosed   = "closed"   // a listener is closed
)

// A Request is one question of a worker.
type Request struct {
	ID   uint64 `json:"id"`
	Op   string `json:"op"`
	User string `json:"user,omitempty"`

	Key       int    `json:"key,omitempty"`       // of the host, by its place in Setup.HostKeys
	Algorithm string `json:"algorithm,omitempty"` // of a signature
	Data      []byte `json:"data,omitempty"`

	Public *PublicKey `json:"public,omitempty"`
	Reason string     `json:"reason,omitempty"`

	Kind    inventory.SessionKind  `json:"kind,omitempty"`
	Session *inventory.SessionArgs `json:"session,omitempty"`

	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	Path     string `json:"path,omitempty"`    // of a Unix socket
	Forward  string `json:"forward,omitempty"` // of OpUsed and OpClosed: as the answer had it
	Received int64  `json:"received,omitempty"`
	Sent     int64  `json:"sent,omitempty"`
}

// KindEnd in an answer nobody asked for ends the connection.
const KindEnd = "end"

// A PublicKey is one a client showed, as the worker has read it: the gateway parses nothing.
type PublicKey struct {
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"` // SHA256:..., of a certificate's own key

	Certificate *Certificate `json:"certificate,omitempty"`
}

// An Answer is the gateway's to one request.
type Answer struct {
	ID    uint64 `json:"id"`
	Error string `json:"error,omitempty"` // a sentence for the person
	Kind  string `json:"kind,omitempty"`  // of the error, by inventory.ErrorKinds
	Blob  []byte `json:"blob,omitempty"`
	Yes   bool   `json:"yes,omitempty"`
	Text  string `json:"text,omitempty"` // of OpOpen: what there is to choose from
	Port  int    `json:"port,omitempty"`

	Forward string `json:"forward,omitempty"` // the name of a forward, for OpUsed and OpClosed

	Session inventory.SessionID `json:"session,omitempty"`
}

// Setup is the gateway's first message to a new worker.
type Setup struct {
	HostKeys [][]byte `json:"host_keys"` // public, in wire form; the private ones stay with the gateway
	// Certificates of the host keys in the same order, or none.
	Certificates [][]byte `json:"certificates,omitempty"`

	Banner  string `json:"banner,omitempty"`
	Version string `json:"version"`
}
