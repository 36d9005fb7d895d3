package confine

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// archAllowed are calls this architecture has besides the generic ones. SYS_FSTATAT is what amd64
// calls newfstatat.
var archAllowed = []uintptr{unix.SYS_FSTATAT}
