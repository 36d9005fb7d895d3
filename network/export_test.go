package network

// Forget makes the next ApplyRules write all of them, as an agent does that starts.
func (s *Service) Forget() { s.rules = nil }

// WouldLook reports whether Repair would read the rules, as somebody wrote some since.
func (s *Service) WouldLook() bool {
	now, err := s.nftGeneration()
	return err != nil || now != s.generation
}

// WithoutBridgeNetfilter makes the kernel one that hands nothing of a bridge to inet's chains, until undo.
func WithoutBridgeNetfilter() (undo func()) {
	was := bridgeNetfilter
	bridgeNetfilter = "/nonexistent/"
	return func() { bridgeNetfilter = was }
}

// ParseDrops is for the fuzzer.
var ParseDrops = parseDrops
