package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// openQuota finds out how the file system accounts and switches accounting on where it may.
func (p *Pool) openQuota() error {
	p.quota = p.activeQuota()
	want := p.config.Quota
	switch {
	case p.quota == QuotaOff && (want == QuotaOff || want == QuotaAuto && p.config.Dir != ""):
		return nil
	case p.quota == QuotaOff:
		if err := p.enableQuota(want); err != nil {
			return err
		}
	case want != QuotaAuto && want != p.quota:
		return inventory.Errorf(inventory.ErrState,
			"open pool %s: its file system has quotas of kind %s, not %s; changing that would lose what was counted",
			p.config.Name, p.quota, want)
	}
	if p.quota == QuotaGroups {
		p.recount()
	}
	return nil
}

// activeQuota reads what is in force. The folder exists while quotas are on; the file mode since
// Linux 6.7, before which there was only one kind.
func (p *Pool) activeQuota() Quota {
	if _, err := os.Stat(p.sysfs("qgroups")); err != nil {
		return QuotaOff
	}
	mode, err := os.ReadFile(p.sysfs("qgroups/mode"))
	switch strings.TrimSpace(string(mode)) {
	case "squota":
		return QuotaSimple
	case "disabled":
		return QuotaOff
	case "qgroup":
		return QuotaGroups
	}
	if err != nil {
		return QuotaGroups
	}
	return QuotaOff
}

func (p *Pool) enableQuota(want Quota) error {
	if want != QuotaGroups {
		err := quotaControl(p.root, quotaEnableSimple)
		switch {
		case err == nil:
			p.quota = QuotaSimple
			return nil
		case want == QuotaSimple, !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP):
			return p.fault().Fail(err, "switch on simple quotas of pool %s", p.config.Name)
		}
	}
	if err := quotaControl(p.root, quotaEnable); err != nil {
		return p.fault().Fail(err, "switch on quotas of pool %s", p.config.Name)
	}
	p.quota = QuotaGroups
	return waitRescan(p.root)
}

// recount starts a count of everything when the kernel says that its numbers are wrong, and reports
// whether that was necessary. Until it is done, limits aren't enforced.
//
// The usual cause is a deletion: newer kernels give up counting when a large shared tree is dropped
// (qgroups/drop_subtree_threshold, 3 by default), older ones count on and hold up every commit for as
// long. Both are right in their way, so the kernel's default stays.
func (p *Pool) recount() bool {
	flag, err := os.ReadFile(p.sysfs("qgroups/inconsistent"))
	if err != nil || strings.TrimSpace(string(flag)) != "1" {
		return false
	}
	if err := rescan(p.root); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		p.config.Log.Warn("can't count the pool's usage anew", "pool", p.config.Name, "error", err)
	}
	return true
}

func (p *Pool) sysfs(name string) string { return filepath.Join("/sys/fs/btrfs", p.uuid, name) }

// A quota group's number is its level in the top 16 bits and an id below. Level 0 are subvolumes.
const levelShift = 48

// volumeGroup is the group of a volume under simple quotas: level 1 and the last 48 bits of the
// volume's id, all of which are random in a UUIDv7. So nothing has to be stored to find it.
func volumeGroup(id string) uint64 {
	n, _ := strconv.ParseUint(id[len(id)-12:], 16, 64) // ids were checked
	return 1<<levelShift | n
}

// counted returns the group that bounds the volume, 0 where nothing is counted.
func (p *Pool) counted(id string) (uint64, error) {
	var group uint64
	switch p.quota {
	case QuotaSimple:
		group = volumeGroup(id)
	case QuotaGroups:
		f, err := openSubvolume(p.Path(id))
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if group, err = subvolumeID(f); err != nil {
			return 0, err
		}
	}
	if group == 0 || !p.hasGroup(group) { // made while quotas were off
		return 0, nil
	}
	return group, nil
}

func (p *Pool) groupFile(group uint64, name string) string {
	return p.sysfs(fmt.Sprintf("qgroups/%d_%d/%s", group>>levelShift, group&(1<<levelShift-1), name))
}

func (p *Pool) hasGroup(group uint64) bool {
	_, err := os.Stat(p.groupFile(group, ""))
	return err == nil
}

// referenced is what the group holds now, from the kernel's memory: the tree lags behind by a commit.
func (p *Pool) referenced(group uint64) (inventory.Bytes, error) {
	text, err := os.ReadFile(p.groupFile(group, "referenced"))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return inventory.Bytes(n), err
}

// A bound is what limits a volume: size bytes beyond the base, the data it was made from. Simple
// quotas don't count the base at all. Quota groups do, so the kernel's limit is base+size there, and
// the base is kept beside it in rsv_rfer, a field that the kernel stores and copies into snapshots
// with the limit but acts on nowhere (fs/btrfs/qgroup.c, up to 6.18).
type bound struct{ size, base inventory.Bytes }

func (p *Pool) setBound(group uint64, b bound) error {
	l := qgroupLimit{flags: limitMaxReferenced | limitRsvReferenced, rsvRfer: uint64(b.base),
		maxRfer: limitClear}
	if b.size > 0 {
		l.maxRfer = uint64(b.base + b.size)
	}
	return limitGroup(p.root, group, l)
}

// bound reads what setBound wrote, from the quota tree: btrfs_qgroup_limit_item.
func (p *Pool) bound(group uint64) (bound, error) {
	items, err := search(p.root, keyRange{tree: quotaTree, kind: keyGroupLimit, minOffset: group,
		maxOffset: group})
	if err != nil || len(items) == 0 || len(items[0].content) < 40 {
		return bound{}, err
	}
	field := func(n int) uint64 { return binary.LittleEndian.Uint64(items[0].content[8*n:]) }
	var b bound
	if field(0)&limitRsvReferenced != 0 {
		b.base = inventory.Bytes(field(3))
	}
	if field(0)&limitMaxReferenced != 0 {
		b.size = max(inventory.Bytes(field(1))-b.base, 0)
	}
	return b, nil
}
