package network

import "lodge/inventory"

// judgesBridge reports whether what the ports of the bridge send each other passes the rules.
func (s *Service) judgesBridge(n inventory.Network) bool { return true }
