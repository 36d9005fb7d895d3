package session

import "time"

// MonitorOf finds the monitor of a container by its init.
var MonitorOf = monitorOf

// SetEnterLimit shortens the wait for a holder that hangs.
func (s *Service) SetEnterLimit(d time.Duration) { s.enterLimit = d }
