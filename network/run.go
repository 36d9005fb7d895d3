package network

import "lodge/network/role"

// RunRole is the process "lodged net": it returns its exit code.
func RunRole(args []string) int { return role.Main(args) }
