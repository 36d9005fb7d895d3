package account

import (
	"context"

	"lodge/inventory"
)

// SettingAccounts says whether accounts are made.
const SettingAccounts = "session.accounts"

const (
	accountsOwn = "own"
	accountsOff = "off"
)

// Settings returns the rows of the settings table this package applies.
func Settings() []inventory.Setting {
	return []inventory.Setting{{Name: SettingAccounts, Type: inventory.TypeEnum, Values: []string{accountsOff, accountsOwn}, Default: accountsOwn,
		Scopes: []inventory.Scope{inventory.ScopeContainer, inventory.ScopeProject, inventory.ScopeHost},
		Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
		Doc: "Who comes in as themselves: own, and they have an account of their own, made at their first login and locked when nothing lets them in " +
			"any more; or off, and nothing is made: they enter whatever account of their name there is."}}
}

// isOn reports whether accounts are made in the container.
func (s *Service) isOn(ctx context.Context, c *inventory.Container) (bool, error) {
	above, err := s.Settings.Layers(ctx, c.Project)
	if err != nil {
		return false, err
	}
	for _, l := range append([]inventory.Layer{{Values: c.Settings}}, above...) {
		if value, set := l.Values[SettingAccounts]; set {
			return value == accountsOwn, nil
		}
	}
	return true, nil
}
