package inventory

import (
	"slices"
	"strings"
)

// Check reports whether people may say that about a container: its name, purpose and other facts.
// Settings, and what has to fit others, are checked by those who know them.
func (c *Container) Check() error {
	if err := CheckName("the container", c.Name); err != nil {
		return err
	}
	switch {
	case c.Purpose == "":
		return Errorf(ErrInvalid,
			"%s needs a purpose: say in a sentence what it is for with --purpose", c.Name)
	case len(c.Purpose) > 1000 || len(c.Owner) > 255 || len(c.Ticket) > 255:
		return Errorf(ErrInvalid, "the purpose may have 1000 characters, owner and ticket 255")
	case !slices.Contains(Environments, c.Environment):
		return Errorf(ErrInvalid, "%q is no environment; it is one of prod, dr, staging, test, dev", c.Environment)
	case !slices.Contains(DataClasses, c.DataClass):
		return Errorf(ErrInvalid, "%q is no data class; it is one of %s", c.DataClass,
			strings.Join(DataClasses, ", "))
	}
	for what, text := range map[string]string{"purpose": c.Purpose, "owner": c.Owner, "ticket": c.Ticket} {
		if err := CheckLine("the "+what, text); err != nil {
			return err
		}
	}
	for _, text := range c.After {
		if _, err := ParseDependency(text); err != nil {
			return Errorf(ErrInvalid, "after: %w", err)
		}
	}
	for key, value := range c.Labels {
		if err := checkLabel(key, value); err != nil {
			return err
		}
	}
	return nil
}

func checkLabel(key, value string) error {
	ok := key != "" && len(key) <= 63 && len(value) <= 255 && CheckLine("", value) == nil &&
		strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") == ""
	if !ok {
		return Errorf(ErrInvalid,
			"label %q: a key is up to 63 letters, digits and ._-/, a value one line of up to 255", key)
	}
	return nil
}
