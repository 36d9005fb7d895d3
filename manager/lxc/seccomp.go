package lxc

import "strings"

// seccompBase is liblxc's own list of what can't be called inside (common.seccomp).
const seccompBase = `2
denylist
reject_force_umount
[all]
kexec_load errno 1
open_by_handle_at errno 1
init_module errno 1
finit_module errno 1
delete_module errno 1
`

// subvolumeCalls are the btrfs requests that make subvolumes and snapshots (linux/btrfs.h). One made
// inside would escape the container's quota and be missing in its snapshots and backups. ENOTTY is
// what any other file system says, so programs fall back to plain directories.
var subvolumeCalls = []string{
	"0x5000940e", // BTRFS_IOC_SUBVOL_CREATE
	"0x50009418", // BTRFS_IOC_SUBVOL_CREATE_V2
	"0x50009401", // BTRFS_IOC_SNAP_CREATE
	"0x50009417", // BTRFS_IOC_SNAP_CREATE_V2
}

// enotty is the number of "Inappropriate ioctl for device", the same on every architecture.
const enotty = "25"

// seccompProfile is the policy in liblxc's format, version 2. The request number is compared in its
// low 32 bits, which are all the kernel looks at.
func seccompProfile() []byte {
	var b strings.Builder
	b.WriteString(seccompBase)
	for _, call := range subvolumeCalls {
		b.WriteString("ioctl errno " + enotty + " [1," + call + ",SCMP_CMP_MASKED_EQ,0xffffffff]\n")
	}
	return []byte(b.String())
}
