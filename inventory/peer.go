package inventory

// A Peer is what the kernel says of a process at the other end of a Unix socket.
type Peer struct {
	UID uint32
	// Login is the uid somebody signed in to the host with before they became UID; NoUID if nobody did.
	Login uint32
	// Name is what the host's user database calls UID; empty for an unknown one.
	Name string
	// Member says that the host has them in the Unix group of administrators.
	Member bool
}

// NoUID is the kernel's word for no uid: (uid_t)-1, proc_pid_loginuid(5).
const NoUID = 1<<32 - 1
