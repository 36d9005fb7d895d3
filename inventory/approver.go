package inventory

// Approvers are the names of those who agreed to the change; nobody has to what was never held.
func (c *Change) Approvers() (names []string) {
	if c == nil {
		return nil
	}
	for _, a := range c.Approvals {
		names = append(names, a.Principal.Name)
	}
	return names
}
