package account

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// marks tell whether anybody has written to the files of accounts since they were looked at: a change
// moves the time of change, which nobody in a container can set (inode(7)).
type marks [2]mark

type mark struct {
	inode     uint64
	sec, nsec int64
	size      int64
}

// watched are the files whose marks are taken.
var watched = [2]string{"passwd", "shadow"}

// marks looks at the files from the host, and reads none. What the container has mounted over them it
// fools itself with: entering looks there.
func (s *Service) marks(c *inventory.Container) (m marks) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV}
	root, err := unix.Open(filepath.Clean(s.Rootfs(c)), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return m
	}
	defer unix.Close(root)
	etc, err := unix.Openat2(root, "etc", &how)
	if err != nil {
		return m
	}
	defer unix.Close(etc)
	for n, name := range watched {
		var st unix.Stat_t
		if unix.Fstatat(etc, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT) == nil {
			m[n] = mark{st.Ino, st.Ctim.Sec, st.Ctim.Nsec, st.Size}
		}
	}
	return m
}

// isSeen reports whether an account was found open, and its files are as they were then.
func (s *Service) isSeen(k key, now marks) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now != marks{} && s.seen[k] == now
}

// see keeps the marks that were taken before an account was found open.
func (s *Service) see(k key, before marks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[k] = before
}

func (s *Service) forget(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, k)
}
