package inventory

// SessionQuery narrows a list of sessions. A zero field does not narrow it.
type SessionQuery struct {
	ID        SessionID
	Container ContainerID
	Live      bool // only those that have not ended
	Limit     int  // at most so many; 0: all
}
