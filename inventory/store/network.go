package store

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"lodge/inventory"
)

type networkRow struct {
	Name   string `gorm:"primaryKey"`
	Bridge string
	IPv4   string `gorm:"column:ipv4"`
	IPv6   string `gorm:"column:ipv6"`
	MTU    int    `gorm:"column:mtu"`
	NAT    bool   `gorm:"column:nat"`

	Type      string
	Purpose   string
	CreatedNs int64
}

func (networkRow) TableName() string { return "networks" }

func (r networkRow) network() inventory.Network {
	v4, _ := netip.ParsePrefix(r.IPv4) // both written by us; empty is the zero prefix
	v6, _ := netip.ParsePrefix(r.IPv6)
	return inventory.Network{Name: r.Name, Type: inventory.NetworkType(r.Type), Bridge: r.Bridge, IPv4: v4, IPv6: v6,
		MTU: r.MTU, NAT: r.NAT, Purpose: r.Purpose, CreatedAt: instant(r.CreatedNs)}
}

func newNetworkRow(n inventory.Network) *networkRow {
	return &networkRow{Name: n.Name, Bridge: n.Bridge, IPv4: prefixText(n.IPv4), IPv6: prefixText(n.IPv6), MTU: n.MTU,
		NAT: n.NAT, Type: string(cmp.Or(n.Type, inventory.NetworkManaged)), Purpose: n.Purpose, CreatedNs: nanos(n.CreatedAt)}
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// SaveNetwork adds the network or replaces the one of that name. ErrExists if another has its
// bridge; the parent of routed networks is nobody's alone.
func (s *Store) SaveNetwork(ctx context.Context, n inventory.Network) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		rows, err := rowsOf[networkRow](t.db).Where("bridge = ? AND name <> ? AND type <> ?", n.Bridge,
			n.Name, string(inventory.NetworkRouted)).Limit(1).Find(ctx)
		if err != nil {
			return err
		}
		if len(rows) > 0 && !n.IsRouted() {
			return inventory.Errorf(inventory.ErrExists,
				"network %s can't use the bridge %s: network %s does", n.Name, n.Bridge, rows[0].Name)
		}
		return rowsOf[networkRow](t.db, replace("name")).Create(ctx, newNetworkRow(n))
	})
}

// Network returns one by name; ErrNotFound if there is none.
func (s *Store) Network(ctx context.Context, name string) (inventory.Network, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Network{}, err
	}
	rows, err := rowsOf[networkRow](db).Where("name = ?", name).Limit(1).Find(ctx)
	row, err := only(rows, err, "network", name)
	return row.network(), explain(s.path, err)
}

// Networks returns all networks, sorted by name.
func (s *Store) Networks(ctx context.Context) ([]inventory.Network, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[networkRow](db).Order("name").Find(ctx)
	return nouns(s.path, rows, err, networkRow.network)
}

// DeleteNetwork removes the network; ErrState, with everybody who is on it, while a container holds
// an address on it or a project names it. A missing one is no error.
func (s *Store) DeleteNetwork(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		held, err := rowsOf[addressRow](t.db).Where("network = ? AND to_ns IS NULL", name).Order("project, name").Find(ctx)
		if err != nil {
			return err
		}
		var holders []string
		for _, row := range held {
			ref := inventory.Ref{Project: row.Project, Name: row.Name}.String()
			if !slices.Contains(holders, ref) {
				holders = append(holders, ref)
			}
		}
		if len(holders) > 0 {
			return inventory.Errorf(inventory.ErrState, "network %s is in use by %s; purge them or move them to another network first",
				name, strings.Join(holders, ", "))
		}
		projects, err := rowsOf[projectRow](t.db).Where("network = ?", name).Limit(1).Find(ctx)
		if err != nil {
			return err
		}
		if len(projects) > 0 {
			return inventory.Errorf(inventory.ErrState, "network %s is the default of project %s; give the project another first",
				name, projects[0].Name)
		}
		_, err = rowsOf[networkRow](t.db).Where("name = ?", name).Delete(ctx)
		return err
	})
}
