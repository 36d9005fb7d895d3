package btrfs

import (
	"bytes"
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// All memory that is shared with the kernel is in this file. Structures and numbers are those of
// linux/btrfs.h and linux/btrfs_tree.h; the names of the header stand beside them. The encoding of
// the numbers is asm-generic/ioctl.h, which holds on amd64, arm64, riscv64 and s390x.

const (
	dirNone  = 0
	dirWrite = 1 << 30 // _IOW
	dirRead  = 2 << 30 // _IOR
	magic    = 0x94    // BTRFS_IOCTL_MAGIC
)

// The sizes are part of the numbers: a wrong one is refused here and not by the kernel.
var (
	_ [4096]byte = [unsafe.Sizeof(volArgs{})]byte{}
	_ [1024]byte = [unsafe.Sizeof(fsInfo{})]byte{}
	_ [4096]byte = [unsafe.Sizeof(deviceInfo{})]byte{}
	_ [4096]byte = [unsafe.Sizeof(searchArgs{})]byte{}
	_ [80]byte   = [unsafe.Sizeof(qgroupInherit{})]byte{}
)

func request(dir, number, size uintptr) uintptr { return dir | size<<16 | magic<<8 | number }

func ioctl(fd int, req uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR: // Go's own preemption signals do this to long calls
		default:
			return errno
		}
	}
}

const (
	subvolReadOnly = 1 << 1 // BTRFS_SUBVOL_RDONLY
	subvolInherit  = 1 << 2 // BTRFS_SUBVOL_QGROUP_INHERIT
	subvolByID     = 1 << 4 // BTRFS_SUBVOL_SPEC_BY_ID, Linux 5.7

	firstFreeObjectID = 256 // BTRFS_FIRST_FREE_OBJECTID: inode of the root folder of every subvolume
)

// volArgs is btrfs_ioctl_vol_args_v2.
type volArgs struct {
	fd      int64
	transid uint64
	flags   uint64
	size    uint64
	inherit *qgroupInherit
	_       [2]uint64
	name    [4040]byte
}

// qgroupLimit is btrfs_qgroup_limit.
type qgroupLimit struct{ flags, maxRfer, maxExcl, rsvRfer, rsvExcl uint64 }

// qgroupInherit is btrfs_qgroup_inherit with room for one group.
type qgroupInherit struct {
	flags, groups, refCopies, exclCopies uint64
	limit                                qgroupLimit
	group                                uint64
}

func (a *volArgs) join(group uint64) {
	if group != 0 {
		a.flags |= subvolInherit
		a.inherit = &qgroupInherit{groups: 1, group: group}
		a.size = uint64(unsafe.Sizeof(qgroupInherit{}))
	}
}

// createSubvolume makes an empty subvolume called name in the folder dir, as a member of the quota
// group if that isn't zero. BTRFS_IOC_SUBVOL_CREATE_V2
func createSubvolume(dir *os.File, name string, group uint64) error {
	var a volArgs
	copy(a.name[:], name)
	a.join(group)
	return ioctl(int(dir.Fd()), request(dirWrite, 24, unsafe.Sizeof(a)), unsafe.Pointer(&a))
}

// createSnapshot makes a snapshot of src called name in the folder dir, as a member of the quota
// group if that isn't zero. It flushes src and commits, so it is durable. BTRFS_IOC_SNAP_CREATE_V2
func createSnapshot(src, dir *os.File, name string, readOnly bool, group uint64) error {
	a := volArgs{fd: int64(src.Fd())}
	copy(a.name[:], name)
	if readOnly {
		a.flags |= subvolReadOnly
	}
	a.join(group)
	return ioctl(int(dir.Fd()), request(dirWrite, 23, unsafe.Sizeof(a)), unsafe.Pointer(&a))
}

// destroySubvolume removes the subvolume with that number, wherever on the file system it is. What
// it held is freed in the background. BTRFS_IOC_SNAP_DESTROY_V2
func destroySubvolume(fs *os.File, id uint64) error {
	a := volArgs{flags: subvolByID}
	*(*uint64)(unsafe.Pointer(&a.name[0])) = id // the union with subvolid
	return ioctl(int(fs.Fd()), request(dirWrite, 63, unsafe.Sizeof(a)), unsafe.Pointer(&a))
}

// setReadOnly makes a subvolume read-only. BTRFS_IOC_SUBVOL_SETFLAGS
func setReadOnly(subvolume *os.File) error {
	flags := uint64(subvolReadOnly)
	return ioctl(int(subvolume.Fd()), request(dirWrite, 26, 8), unsafe.Pointer(&flags))
}

// subvolumeID returns the number of the subvolume f is on. BTRFS_IOC_INO_LOOKUP
func subvolumeID(f *os.File) (uint64, error) {
	a := struct {
		tree, object uint64
		name         [4080]byte
	}{object: firstFreeObjectID}
	err := ioctl(int(f.Fd()), request(dirRead|dirWrite, 18, unsafe.Sizeof(a)), unsafe.Pointer(&a))
	return a.tree, err
}

// commit makes all changes to the trees durable, without waiting for file contents that other
// writers have not synced. BTRFS_IOC_START_SYNC, BTRFS_IOC_WAIT_SYNC
func commit(fs *os.File) error {
	var transid uint64
	if err := ioctl(int(fs.Fd()), request(dirRead, 24, 8), unsafe.Pointer(&transid)); err != nil {
		return err
	}
	return ioctl(int(fs.Fd()), request(dirWrite, 22, 8), unsafe.Pointer(&transid))
}

// flushAndClean writes out everything, commits, and wakes the kernel thread that frees deleted
// subvolumes, which else sleeps up to 30 s. BTRFS_IOC_SYNC
func flushAndClean(fs *os.File) error {
	return ioctl(int(fs.Fd()), request(dirNone, 8, 0), nil)
}

const (
	quotaEnable       = 1 // BTRFS_QUOTA_CTL_ENABLE
	quotaEnableSimple = 4 // BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA, Linux 6.7

	limitMaxReferenced = 1 << 0 // BTRFS_QGROUP_LIMIT_MAX_RFER
	limitRsvReferenced = 1 << 2 // BTRFS_QGROUP_LIMIT_RSV_RFER
	limitClear         = ^uint64(0)
)

// quotaControl switches accounting on. BTRFS_IOC_QUOTA_CTL
func quotaControl(fs *os.File, command uint64) error {
	a := [2]uint64{command}
	return ioctl(int(fs.Fd()), request(dirRead|dirWrite, 40, 16), unsafe.Pointer(&a))
}

// changeGroup makes or removes a quota group. BTRFS_IOC_QGROUP_CREATE
func changeGroup(fs *os.File, group uint64, create bool) error {
	a := [2]uint64{0, group}
	if create {
		a[0] = 1
	}
	return ioctl(int(fs.Fd()), request(dirWrite, 42, 16), unsafe.Pointer(&a))
}

// limitGroup sets the limits of a quota group. BTRFS_IOC_QGROUP_LIMIT
func limitGroup(fs *os.File, group uint64, limit qgroupLimit) error {
	a := struct {
		group uint64
		limit qgroupLimit
	}{group, limit}
	return ioctl(int(fs.Fd()), request(dirRead, 43, 48), unsafe.Pointer(&a))
}

// rescan counts everything anew in the background. BTRFS_IOC_QUOTA_RESCAN
func rescan(fs *os.File) error {
	var a [8]uint64
	return ioctl(int(fs.Fd()), request(dirWrite, 44, 64), unsafe.Pointer(&a))
}

// waitRescan waits for a rescan that runs, if any. BTRFS_IOC_QUOTA_RESCAN_WAIT
func waitRescan(fs *os.File) error {
	return ioctl(int(fs.Fd()), request(dirNone, 46, 0), nil)
}

// resizeToDevice grows the file system to the size of its device. BTRFS_IOC_RESIZE
func resizeToDevice(fs *os.File) error {
	var a struct { // btrfs_ioctl_vol_args
		fd   int64
		name [4088]byte
	}
	copy(a.name[:], "max")
	return ioctl(int(fs.Fd()), request(dirWrite, 3, unsafe.Sizeof(a)), unsafe.Pointer(&a))
}

// fsInfo is btrfs_ioctl_fs_info_args.
type fsInfo struct {
	maxID, devices uint64
	fsid           [16]byte
	_              [992]byte
}

// fileSystem tells which btrfs f is on. BTRFS_IOC_FS_INFO
func fileSystem(f *os.File) (fsInfo, error) {
	var a fsInfo
	err := ioctl(int(f.Fd()), request(dirRead, 31, unsafe.Sizeof(a)), unsafe.Pointer(&a))
	return a, err
}

// deviceInfo is btrfs_ioctl_dev_info_args.
type deviceInfo struct {
	id          uint64
	uuid        [16]byte
	used, total uint64 // in bytes; used is what chunks take, filled or not
	_           [379]uint64
	path        [1024]byte
}

func (d *deviceInfo) name() string {
	name, _, _ := bytes.Cut(d.path[:], []byte{0})
	return string(name)
}

// device describes one device; ENODEV when there is none with that number. BTRFS_IOC_DEV_INFO
func device(fs *os.File, id uint64) (deviceInfo, error) {
	a := deviceInfo{id: id}
	err := ioctl(int(fs.Fd()), request(dirRead|dirWrite, 30, unsafe.Sizeof(a)), unsafe.Pointer(&a))
	return a, err
}

// deviceErrors adds up a device's error counters. BTRFS_IOC_GET_DEV_STATS
func deviceErrors(fs *os.File, id uint64) (uint64, error) {
	a := struct {
		id, items, flags uint64
		values           [5]uint64 // write, read, flush, corruption, generation errors
		_                [121]uint64
	}{id: id, items: 5}
	err := ioctl(int(fs.Fd()), request(dirRead|dirWrite, 52, unsafe.Sizeof(a)), unsafe.Pointer(&a))
	var sum uint64
	for _, v := range a.values {
		sum += v
	}
	return sum, err
}

const (
	spaceData     = 1 << 0             // BTRFS_BLOCK_GROUP_DATA
	spaceMetadata = 1 << 2             // BTRFS_BLOCK_GROUP_METADATA
	spaceCopies   = 1<<5 | 1<<4 | 1<<6 // BTRFS_BLOCK_GROUP_DUP, RAID1, RAID10: everything is there twice
	spaceReserve  = 1 << 49            // BTRFS_SPACE_INFO_GLOBAL_RSV
)

// chunkSpace is btrfs_ioctl_space_info: what chunks of one type and profile have and hold.
type chunkSpace struct{ flags, total, used uint64 }

// spaces returns the chunk types of the file system. BTRFS_IOC_SPACE_INFO
func spaces(fs *os.File) ([]chunkSpace, error) {
	// Types times profiles in use: three or four; more only in the middle of a conversion.
	var a struct {
		slots, count uint64
		list         [32]chunkSpace
	}
	a.slots = uint64(len(a.list))
	err := ioctl(int(fs.Fd()), request(dirRead|dirWrite, 20, 16), unsafe.Pointer(&a))
	return a.list[:min(a.count, a.slots)], err
}

const (
	rootTree  = 1 // BTRFS_ROOT_TREE_OBJECTID
	quotaTree = 8 // BTRFS_QUOTA_TREE_OBJECTID

	keyRootItem    = 132 // BTRFS_ROOT_ITEM_KEY
	keyRootRef     = 156 // BTRFS_ROOT_REF_KEY: objectid is the parent, offset the child
	keyGroupInfo   = 242 // BTRFS_QGROUP_INFO_KEY: offset is the group
	keyGroupLimit  = 244 // BTRFS_QGROUP_LIMIT_KEY: offset is the group
	keyGroupMember = 246 // BTRFS_QGROUP_RELATION_KEY: both directions are stored
)

// treeItem is one item of a tree: its key and its content.
type treeItem struct {
	object, offset uint64
	kind           uint32
	content        []byte
}

// searchArgs is btrfs_ioctl_search_args.
type searchArgs struct {
	tree, minObject, maxObject, minOffset, maxOffset, minTransid, maxTransid uint64

	minType, maxType, items, _ uint32

	_      [4]uint64
	buffer [4096 - 104]byte
}

// keyRange are all keys of one type whose objects and offsets are in the bounds, both inclusive.
type keyRange struct {
	tree                 uint64
	kind                 uint32
	minObject, maxObject uint64
	minOffset, maxOffset uint64
}

// search returns the items in the range, in order. BTRFS_IOC_TREE_SEARCH
func search(fs *os.File, r keyRange) ([]treeItem, error) {
	var found []treeItem
	a := &searchArgs{
		tree: r.tree, minObject: r.minObject, maxObject: r.maxObject, minOffset: r.minOffset,
		maxOffset: r.maxOffset, maxTransid: ^uint64(0), minType: r.kind, maxType: r.kind,
	}
	for {
		a.items = 4096
		if err := ioctl(int(fs.Fd()), request(dirRead|dirWrite, 17, unsafe.Sizeof(*a)),
			unsafe.Pointer(a)); err != nil {
			return nil, err
		}
		if a.items == 0 || !a.advance(a.parse(r.kind, &found)) {
			return found, nil
		}
	}
}

// advance moves the start of the range right behind the last key seen; false at the end. A range is
// one of whole keys (object, type, offset), so keys of other types lie in it.
func (a *searchArgs) advance(last treeItem) bool {
	a.minObject, a.minOffset = last.object, last.offset+1
	if last.kind < a.minType {
		a.minOffset = 0
	} else if last.kind > a.minType || a.minOffset == 0 {
		a.minObject, a.minOffset = last.object+1, 0
	}
	return a.minObject >= last.object && a.minObject <= a.maxObject
}

// parse reads what the kernel put into the buffer: btrfs_ioctl_search_header and content, in turn.
func (a *searchArgs) parse(kind uint32, found *[]treeItem) (last treeItem) {
	rest := a.buffer[:]
	for range a.items {
		if len(rest) < 32 {
			break
		}
		last = treeItem{
			object: binary.NativeEndian.Uint64(rest[8:]),
			offset: binary.NativeEndian.Uint64(rest[16:]),
			kind:   binary.NativeEndian.Uint32(rest[24:]),
		}
		length := int(binary.NativeEndian.Uint32(rest[28:]))
		if len(rest) < 32+length {
			break
		}
		if last.kind == kind {
			last.content = bytes.Clone(rest[32 : 32+length])
			*found = append(*found, last)
		}
		rest = rest[32+length:]
	}
	return last
}
