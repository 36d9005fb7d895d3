package network

// Forget makes the next ApplyRules write all of them, as an agent does that starts.
func (s *Service) Forget() { s.rules = nil }
