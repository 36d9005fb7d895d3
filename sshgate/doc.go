// Package sshgate is the SSH door: people reach containers with plain ssh, and no sshd runs inside.
//
// The gateway accepts connections and gives each to a worker, a process of its own that has no
// rights, no files and a bound on its memory (package worker). The worker speaks SSH; whatever takes
// a right it asks of the gateway over a socket pair: is this key somebody's, sign this handshake,
// open a session, connect to this port from inside. So a flaw in the protocol's code ends one
// connection, and the host key, the identities and the containers are out of its reach.
//
// Sessions are those of manager/session, held outside the agent; a worker gets the connection to
// the holder as a descriptor. When the agent dies the worker and its sessions go on. The next agent
// connects to the workers it finds below ROOT/run/ssh and serves them: what they may is what that
// folder says, written when they signed in, never what a worker says of itself.
package sshgate
