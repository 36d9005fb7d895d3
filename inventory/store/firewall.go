package store

import (
	"context"
	"net/netip"

	"lodge/inventory"
)

type firewallRow struct {
	ID        string `gorm:"primaryKey"`
	Action    string
	FromEnd   string
	ToEnd     string
	Ports     string
	ExpiresNs *int64
	Log       bool
	Reason    string
	CreatedNs int64
}

func (firewallRow) TableName() string { return "firewall_rules" }

// rule reads what a row says; one that can't be read is one that was damaged.
func (r firewallRow) rule() (inventory.FirewallRule, error) {
	from, err := inventory.ParseSelector(r.FromEnd)
	if err != nil {
		return inventory.FirewallRule{}, err
	}
	to, err := inventory.ParseSelector(r.ToEnd)
	if err != nil {
		return inventory.FirewallRule{}, err
	}
	ports, err := inventory.ParsePorts(r.Ports)
	return inventory.FirewallRule{ID: r.ID, Action: inventory.FirewallAction(r.Action), From: from, To: to,
		Ports: ports, Expires: instantOrZero(r.ExpiresNs), Log: r.Log, Reason: r.Reason, CreatedAt: instant(r.CreatedNs)}, err
}

// FirewallRules returns all rules, the oldest first.
func (s *Store) FirewallRules(ctx context.Context) ([]inventory.FirewallRule, error) {
	return s.firewallRules(ctx, "true")
}

// FirewallRule returns one, nil when it is not there.
func (s *Store) FirewallRule(ctx context.Context, id string) (*inventory.FirewallRule, error) {
	all, err := s.firewallRules(ctx, "id = ?", id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

func (s *Store) firewallRules(ctx context.Context, where string, args ...any) ([]inventory.FirewallRule, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[firewallRow](db).Where(where, args...).Order("created_ns, id").Find(ctx)
	if err != nil {
		return nil, explain(s.path, err)
	}
	out := make([]inventory.FirewallRule, len(rows))
	for i, row := range rows {
		if out[i], err = row.rule(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SaveFirewallRule adds the rule, or replaces the one that says the same.
func (s *Store) SaveFirewallRule(ctx context.Context, r inventory.FirewallRule) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[firewallRow](t.db, replace("id")).Create(ctx, &firewallRow{ID: r.ID, Action: string(r.Action),
			FromEnd: r.From.String(), ToEnd: r.To.String(), Ports: r.Ports.String(),
			ExpiresNs: nanosOrNull(r.Expires), Log: r.Log, Reason: r.Reason, CreatedNs: nanos(r.CreatedAt)})
	})
}

// DeleteFirewallRule removes a rule; a missing one is no error.
func (s *Store) DeleteFirewallRule(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[firewallRow](t.db).Where("id = ?", id).Delete(ctx)
		return err
	})
}

// forgetRules removes what is about one container alone. Rules with an end are removed at that.
func (t *transaction) forgetRules(ctx context.Context, id inventory.ContainerID) error {
	if _, err := rowsOf[forwardRow](t.db).Where("container_id = ?", string(id)).Delete(ctx); err != nil {
		return err
	}
	end := inventory.Selector{Kind: inventory.SelectContainer, Value: string(id)}.String()
	_, err := rowsOf[firewallRow](t.db).Where("(from_end = ? OR to_end = ?) AND expires_ns IS NULL", end, end).Delete(ctx)
	return err
}

type forwardRow struct {
	ID          string `gorm:"primaryKey"`
	Protocol    string
	Address     string
	Ports       string
	ContainerID string
	ToPort      int64
	Reason      string
	CreatedNs   int64
}

func (forwardRow) TableName() string { return "forwards" }

// Forwards returns all forwards, the oldest first.
func (s *Store) Forwards(ctx context.Context) ([]inventory.Forward, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[forwardRow](db).Order("created_ns, id").Find(ctx)
	if err != nil {
		return nil, explain(s.path, err)
	}
	out := make([]inventory.Forward, len(rows))
	for i, r := range rows {
		out[i] = inventory.Forward{ID: r.ID, Protocol: inventory.Protocol(r.Protocol),
			Container: inventory.ContainerID(r.ContainerID), ToPort: uint16(r.ToPort), Reason: r.Reason,
			CreatedAt: instant(r.CreatedNs)}
		if out[i].Ports, err = inventory.ParsePortRange(r.Ports); err != nil {
			return nil, err
		}
		if r.Address != "" {
			if out[i].Address, err = netip.ParseAddr(r.Address); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// SaveForward adds the forward, or replaces what listens on the same.
func (s *Store) SaveForward(ctx context.Context, f inventory.Forward) error {
	address := ""
	if f.Address.IsValid() {
		address = f.Address.String()
	}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[forwardRow](t.db, replace("id")).Create(ctx, &forwardRow{ID: f.ID, Protocol: string(f.Protocol),
			Address: address, Ports: f.Ports.String(), ContainerID: string(f.Container), ToPort: int64(f.ToPort),
			Reason: f.Reason, CreatedNs: nanos(f.CreatedAt)})
	})
}

// DeleteForward removes a forward; a missing one is no error.
func (s *Store) DeleteForward(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[forwardRow](t.db).Where("id = ?", id).Delete(ctx)
		return err
	})
}
