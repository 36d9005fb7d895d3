package store

import (
	"context"
	"net/netip"
	"time"

	"lodge/inventory"
)

type nicDocument struct {
	Network string     `json:"network"`
	Name    string     `json:"name"`
	MAC     string     `json:"mac,omitempty"`
	IPv4    netip.Addr `json:"ipv4,omitzero"`
	IPv6    netip.Addr `json:"ipv6,omitzero"`
	Pinned  bool       `json:"pinned,omitempty"`
	Device  string     `json:"device,omitempty"`
	Index   int        `json:"index,omitempty"`
}

func nicDocuments(nics []inventory.NIC) []nicDocument {
	var out []nicDocument
	for _, n := range nics {
		out = append(out, nicDocument(n))
	}
	return out
}

func nicsFrom(docs []nicDocument) []inventory.NIC {
	var out []inventory.NIC
	for _, d := range docs {
		out = append(out, inventory.NIC(d))
	}
	return out
}

// addressRow is one stretch of time in which a container had an address under one name.
type addressRow struct {
	ID          int64 `gorm:"primaryKey"`
	Network     string
	IP          string `gorm:"column:ip"`
	ContainerID string
	Name        string
	Project     string
	FromNs      int64
	ToNs        *int64
}

func (addressRow) TableName() string { return "addresses" }

func (r addressRow) address() inventory.Address {
	ip, _ := netip.ParseAddr(r.IP) // written by us
	return inventory.Address{Network: r.Network, IP: ip, Container: inventory.ContainerID(r.ContainerID),
		Name: r.Name, Project: r.Project, From: instant(r.FromNs), To: instantOrZero(r.ToNs)}
}

type held struct{ network, ip string }

// wanted lists the addresses a container's interfaces have.
func wanted(c *inventory.Container) []held {
	var out []held
	for _, n := range c.NICs {
		for _, ip := range []netip.Addr{n.IPv4, n.IPv6} {
			if ip.IsValid() {
				out = append(out, held{n.Network, ip.Unmap().String()})
			}
		}
	}
	return out
}

// holdAddresses makes c the holder of its addresses and gives up none: while an operation runs,
// those before and those after it are both held, so that undoing it needs no luck. ErrExists if
// another container holds one.
func (t *transaction) holdAddresses(ctx context.Context, c *inventory.Container, at time.Time) error {
	for _, w := range wanted(c) {
		rows, err := rowsOf[addressRow](t.db).Where("network = ? AND ip = ? AND to_ns IS NULL",
			w.network, w.ip).Limit(1).Find(ctx)
		switch {
		case err != nil:
			return err
		case len(rows) == 0:
			if err := t.addAddress(ctx, c, w, at); err != nil {
				return err
			}
		case rows[0].ContainerID != string(c.ID):
			holder := inventory.Ref{Project: rows[0].Project, Name: rows[0].Name}
			return inventory.Errorf(inventory.ErrExists,
				"%s can't have %s: %s holds it on network %s; choose another address",
				c.Ref(), w.ip, holder, w.network)
		}
	}
	return nil
}

// settleAddresses ends what c no longer has. A new name begins a new row, so that history tells
// who answered to an address under which name at any instant.
func (t *transaction) settleAddresses(ctx context.Context, c *inventory.Container, at time.Time) error {
	keep := map[held]bool{}
	for _, w := range wanted(c) {
		keep[w] = true
	}
	rows, err := rowsOf[addressRow](t.db).Where("container_id = ? AND to_ns IS NULL",
		string(c.ID)).Find(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		here := held{r.Network, r.IP}
		if keep[here] && r.Name == c.Name && r.Project == projectOf(c.Project) {
			continue
		}
		if err := t.endAddress(ctx, r.ID, at); err != nil {
			return err
		}
		if keep[here] {
			if err := t.addAddress(ctx, c, here, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// releaseAddresses ends everything the container holds.
func (t *transaction) releaseAddresses(ctx context.Context, id inventory.ContainerID, at time.Time) error {
	_, err := rowsOf[addressRow](t.db).Where("container_id = ? AND to_ns IS NULL",
		string(id)).Update(ctx, "to_ns", nanos(at))
	return err
}

func (t *transaction) addAddress(ctx context.Context, c *inventory.Container, w held, at time.Time) error {
	return rowsOf[addressRow](t.db).Create(ctx, &addressRow{Network: w.network, IP: w.ip,
		ContainerID: string(c.ID), Name: c.Name, Project: projectOf(c.Project), FromNs: nanos(at)})
}

func (t *transaction) endAddress(ctx context.Context, id int64, at time.Time) error {
	_, err := rowsOf[addressRow](t.db).Where("id = ?", id).Update(ctx, "to_ns", nanos(at))
	return err
}

// An AddressQuery selects rows of the address history; zero fields select everything.
type AddressQuery struct {
	Network   string
	IP        netip.Addr
	Container inventory.ContainerID
	At        time.Time // only who held it at this instant
	Held      bool      // only what is held now
	Limit     int       // 0: all
}

// Addresses returns the history of addresses, newest first: "who had 10.86.0.7 on 3 May".
func (s *Store) Addresses(ctx context.Context, q AddressQuery) ([]inventory.Address, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[addressRow](db).Order("from_ns DESC, id DESC").
		Equal("network", q.Network).Equal("container_id", string(q.Container))
	if q.IP.IsValid() {
		find = find.Where("ip = ?", q.IP.Unmap().String())
	}
	if !q.At.IsZero() {
		find = find.Where("from_ns <= ? AND (to_ns IS NULL OR to_ns > ?)", nanos(q.At), nanos(q.At))
	}
	if q.Held {
		find = find.Where("to_ns IS NULL")
	}
	rows, err := find.Limit(q.Limit).Find(ctx)
	return nouns(s.path, rows, err, addressRow.address)
}

// HeldAddresses returns what can't be given to a new container of the network, the trash's
// addresses included, newest first.
func (s *Store) HeldAddresses(ctx context.Context, network string) ([]inventory.Address, error) {
	return s.Addresses(ctx, AddressQuery{Network: network, Held: true})
}
