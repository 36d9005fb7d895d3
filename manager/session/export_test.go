package session

import "time"

// SetEnterLimit shortens the wait for a holder that hangs.
func (s *Service) SetEnterLimit(d time.Duration) { s.enterLimit = d }
