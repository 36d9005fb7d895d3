package network

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// Defaults of ClaimConfig.
const (
	DefaultRoot      = "/var/lib/lodge"
	DefaultClaimsDir = "/run/lodge/claims"
	// DefaultIDRanges is how many containers one agent can tell apart by id, the trash included:
	// 134 million ids, so some 13 agents fit on a host.
	DefaultIDRanges = 2048
)

// ClaimConfig says where claims are kept and what they have to keep clear of. Zero values are the
// ones of a real host.
type ClaimConfig struct {
	Root        string // of the agent that claims
	DefaultRoot string // the root whose bridge is lodge0
	Dir         string // shared by all agents of the host
	ResolvConf  string
	Subuid      string // subuid(5)
	Subgid      string
	IDRanges    int // user namespaces of 65536 ids each, one of them for the agent's own roles
	// IPv4 is the subnet to use instead of a free one, in gateway form: the setting network.ipv4.
	// It is held to once claimed.
	IPv4 netip.Prefix
	// Occupied returns what the host uses already; nil: Occupied of this package.
	Occupied func(except ...string) ([]netip.Prefix, error)
}

// Claims are the values of the host one agent may use alone. They are the same after every restart
// and reboot, because addresses and files on disk depend on them.
type Claims struct {
	Root   string       `json:"root"`
	Bridge string       `json:"bridge"`
	IPv4   netip.Prefix `json:"ipv4"` // the gateway's address and the length
	IPv6   netip.Prefix `json:"ipv6"`
	// IDBase is the first host id for containers; IDRanges ranges of 65536 follow.
	IDBase   uint32 `json:"id_base"`
	IDRanges int    `json:"id_ranges"`
	// RoleID is the first of 65536 host ids for the agent's unprivileged roles: no account has
	// them, no other agent and no container.
	RoleID uint32 `json:"role_id"`
	// More are the managed networks beside the default one.
	More []ClaimedNetwork `json:"more,omitempty"`
}

// Network returns the network these claims make.
func (c Claims) Network(name string) inventory.Network {
	return inventory.Network{Name: name, Bridge: c.Bridge, IPv4: c.IPv4, IPv6: c.IPv6, NAT: true}
}

func (c Claims) span() idRange {
	return idRange{uint64(c.IDBase), uint64(c.IDRanges+1) * IDsPerContainer}
}

func (cfg *ClaimConfig) setDefaults() {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&cfg.Root, DefaultRoot}, {&cfg.DefaultRoot, DefaultRoot}, {&cfg.Dir, DefaultClaimsDir},
		{&cfg.ResolvConf, ResolvConf}, {&cfg.Subuid, "/etc/subuid"}, {&cfg.Subgid, "/etc/subgid"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if abs, err := filepath.Abs(cfg.Root); err == nil {
		cfg.Root = abs
	}
	if cfg.IDRanges == 0 {
		cfg.IDRanges = DefaultIDRanges
	}
	if cfg.Occupied == nil {
		cfg.Occupied = Occupied
	}
}

// Claim returns the agent's claims, making them at its first start. All agents of the host do this
// one at a time, under a lock in the claims folder. ErrExists: another root holds the same subnet
// or ids, as after copying a root; ErrQuota: nothing is free.
//
// It also sees to it that root owns the id range in subuid and subgid.
func Claim(ctx context.Context, cfg ClaimConfig) (Claims, error) {
	cfg.setDefaults()
	unlock, err := lockClaims(ctx, cfg.Dir)
	if err != nil {
		return Claims{}, fmt.Errorf("claim network and ids: %w", err)
	}
	defer unlock()
	others, err := otherClaims(cfg)
	if err != nil {
		return Claims{}, fmt.Errorf("claim network and ids: %w", err)
	}
	c, err := loadClaims(cfg.Root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c, err = cfg.pick(others)
	case err == nil:
		err = c.stillOurs(others, cfg)
	}
	if err != nil {
		return Claims{}, err
	}
	return c, cfg.save(c)
}

// save writes the claims to ROOT first: whatever the claims folder shows is then known to its owner
// after a crash, and a claim whose ROOT knows nothing of it is dropped by the next Claim.
func (cfg ClaimConfig) save(c Claims) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Root, 0o700); err != nil {
		return err
	}
	for _, path := range []string{filepath.Join(cfg.Root, claimsFile), cfg.entry(c.Root)} {
		// What is there already is not written again: an agent has to come up on a full disk.
		if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, append(data, '\n')) {
			continue
		}
		if err := writeFile(path, append(data, '\n'), 0o600); err != nil {
			return fmt.Errorf("keep the claims: %w", err)
		}
	}
	for _, path := range []string{cfg.Subuid, cfg.Subgid} {
		if err := reserveSubIDs(path, c.span()); err != nil {
			return fmt.Errorf("reserve host ids in %s: %w", path, err)
		}
	}
	return nil
}

// Release gives everything back that Claim took: for an agent that is removed with its data.
func Release(ctx context.Context, cfg ClaimConfig) error {
	cfg.setDefaults()
	unlock, err := lockClaims(ctx, cfg.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := loadClaims(cfg.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	err = errors.Join(freeSubIDs(cfg.Subuid, c.span()), freeSubIDs(cfg.Subgid, c.span()))
	for _, path := range []string{cfg.entry(cfg.Root), filepath.Join(cfg.Root, claimsFile)} {
		if rerr := os.Remove(path); rerr != nil && !os.IsNotExist(rerr) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

const claimsFile = "claims.json"

// LoadClaims reads what Claim kept in root; fs.ErrNotExist when it was never claimed.
func LoadClaims(root string) (Claims, error) { return loadClaims(root) }

func loadClaims(root string) (Claims, error) {
	path := filepath.Join(root, claimsFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return Claims{}, err
	}
	var c Claims
	if err := json.Unmarshal(data, &c); err != nil || c.Bridge == "" || !c.IPv4.IsValid() || c.IDBase == 0 {
		return Claims{}, inventory.Errorf(inventory.ErrInvalid,
			"%s can't be read (%v); restore it from a backup, since addresses and file owners depend on it", path, err)
	}
	c.Root = root // a root may be moved
	return c, nil
}

func (cfg ClaimConfig) entry(root string) string {
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(cfg.Dir, hex.EncodeToString(sum[:8])+".json")
}

// otherClaims reads the claims of the other agents and drops those whose root is gone.
func otherClaims(cfg ClaimConfig) ([]Claims, error) {
	paths, err := filepath.Glob(filepath.Join(cfg.Dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var out []Claims
	for _, path := range paths {
		data, err := os.ReadFile(path)
		var c Claims
		if err != nil || json.Unmarshal(data, &c) != nil || c.Root == cfg.Root {
			continue
		}
		if own, err := loadClaims(c.Root); errors.Is(err, fs.ErrNotExist) || err == nil && own.IPv4 != c.IPv4 {
			os.Remove(path)
			continue
		}
		out = append(out, c)
	}
	return out, nil
}

// stillOurs checks kept claims against other agents. The bridge's name is nobody's business but
// ours and may change; the subnet and the ids may not.
func (c *Claims) stillOurs(others []Claims, cfg ClaimConfig) error {
	for _, o := range others {
		if overlapping(o.subnets(), c.subnets()) || o.span().overlaps(c.span()) {
			return inventory.Errorf(inventory.ErrExists,
				"the agents of %s and %s claim the same subnet or ids (%s, %d); one is a copy of the other: "+
					"keep one of them, or restore the copy on another host", cfg.Root, o.Root, c.IPv4, c.IDBase)
		}
		taken := o.bridges()
		if slices.Contains(taken, c.Bridge) {
			c.Bridge = cfg.pickBridge(append(slices.Clone(others), *c))
		}
		for i := range c.More {
			if slices.Contains(taken, c.More[i].Bridge) {
				c.More[i].Bridge = cfg.pickBridge(append(slices.Clone(others), *c))
			}
		}
	}
	return nil
}

func overlapping(a, b []netip.Prefix) bool {
	return slices.ContainsFunc(a, func(p netip.Prefix) bool { return overlapsAny(p, b) })
}

func (cfg ClaimConfig) pick(others []Claims) (Claims, error) {
	c := Claims{Root: cfg.Root, Bridge: cfg.pickBridge(others), IDRanges: cfg.IDRanges - 1}
	var err error
	if c.IPv4, err = cfg.pickIPv4(c.Bridge, others); err != nil {
		return Claims{}, err
	}
	c.IPv6 = RandomULA()
	span, err := cfg.pickIDs(others)
	if err != nil {
		return Claims{}, err
	}
	c.IDBase = uint32(span.start)
	c.RoleID = uint32(span.start + span.count - IDsPerContainer)
	return c, nil
}

// pickBridge returns lodge0 for the default root and lodge1, lodge2 ... for others: the first name
// no other agent claims and no link has that isn't ours.
func (cfg ClaimConfig) pickBridge(others []Claims) string {
	n := 1
	if cfg.Root == cfg.DefaultRoot {
		n = 0
	}
	for ; ; n++ {
		name := fmt.Sprintf("lodge%d", n)
		taken := false
		for _, o := range others {
			taken = taken || slices.Contains(o.bridges(), name)
		}
		link, err := netlink.LinkByName(name)
		if err == nil && link.Attrs().Alias != bridgeAlias(cfg.Root) {
			taken = true
		}
		if !taken {
			return name
		}
	}
}

func (cfg ClaimConfig) pickIPv4(bridge string, others []Claims) (netip.Prefix, error) {
	occupied, err := cfg.Occupied(bridge)
	if err != nil {
		return netip.Prefix{}, err
	}
	servers, err := Nameservers(cfg.ResolvConf)
	if err != nil {
		return netip.Prefix{}, err
	}
	for _, a := range servers {
		occupied = append(occupied, single(a.Unmap()))
	}
	for _, o := range others {
		occupied = append(occupied, o.subnets()...)
	}
	if !cfg.IPv4.IsValid() {
		return FreeIPv4(occupied)
	}
	if overlapsAny(cfg.IPv4, occupied) {
		return netip.Prefix{}, inventory.Errorf(inventory.ErrExists,
			"%s overlaps a network this host uses already; choose another", cfg.IPv4)
	}
	return cfg.IPv4, nil
}

func (cfg ClaimConfig) pickIDs(others []Claims) (idRange, error) {
	var taken []idRange
	for _, path := range []string{cfg.Subuid, cfg.Subgid} {
		entries, err := readSubIDs(path)
		if err != nil {
			return idRange{}, fmt.Errorf("read %s: %w", path, err)
		}
		for _, e := range entries {
			taken = append(taken, e.idRange)
		}
	}
	for _, o := range others {
		taken = append(taken, o.span())
	}
	return freeIDs(uint64(cfg.IDRanges)*IDsPerContainer, taken)
}

// lockClaims waits for the host-wide lock. The kernel drops it when its holder dies.
func lockClaims(ctx context.Context, dir string) (unlock func(), err error) {
	// The folder above is others' too: the agent's socket lies in it, and its group has to get there.
	if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o755), os.MkdirAll(dir, 0o700)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, inventory.Errorf(inventory.ErrBusy, "another agent holds the claims of this host: %v", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
