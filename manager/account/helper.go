package account

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/account/guest"
)

// helperTime bounds one look or change: the container's own programs may hold the lock meanwhile.
const helperTime = 20 * time.Second

// helperEnv keeps the Go runtime of the helper, which begins inside the container, from reading the
// container's /proc and /sys to find out about its CPUs.
var helperEnv = []string{"GOMAXPROCS=2", "GODEBUG=containermaxprocs=0,updatemaxprocs=0"}

// run has lodge-lxc look at an account or change it. The state is what there was before, "" where
// nobody could look.
func (s *Service) run(ctx context.Context, op guest.Op, a inventory.UnixAccount, known bool, c *inventory.Container) (guest.State, error) {
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	where := []string{"running", s.LXCPath, c.LXCName()}
	if s.Observer.Observe(c).InitPID == 0 {
		where = []string{"stopped", s.Rootfs(c)}
	}
	if where[len(where)-1] == "" {
		return "", inventory.Errorf(inventory.ErrUnavailable, "the root file system of %s is not there", c.Ref())
	}
	request, err := s.request(guest.Account{Name: a.Name, UID: a.UID, Known: known})
	if err != nil {
		return "", err
	}
	defer request.Close()
	var out, words bytes.Buffer
	cmd := exec.CommandContext(ctx, s.Helper, append([]string{"account", string(op)}, where...)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = helperEnv, "/", &out, &words
	cmd.ExtraFiles, cmd.WaitDelay = []*os.File{request}, time.Second
	failed := cmd.Run()
	var reply guest.Reply
	if err := json.Unmarshal(out.Bytes(), &reply); err != nil || failed != nil {
		return "", inventory.Errorf(inventory.ErrUnavailable, "the accounts of %s can't be reached: %v %s", c.Ref(), failed, bytes.TrimSpace(words.Bytes()))
	}
	if reply.Error == "" {
		return reply.State, nil
	}
	kind, ok := inventory.KindNamed(reply.Kind)
	if !ok {
		kind.Err = inventory.ErrUnavailable
	}
	return reply.State, inventory.Errorf(kind.Err, "%s", reply.Error)
}

// request is a file that lies in memory alone.
func (s *Service) request(a guest.Account) (*os.File, error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("lodge-account", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "request")
	if _, err := f.WriteAt(raw, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// marks tell whether anybody has written to the files of accounts since they were looked at: a change
// moves the time of change, which nobody in a container can set (inode(7)).
type marks [2]mark

type mark struct {
	inode     uint64
	sec, nsec int64
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
			m[n] = mark{st.Ino, st.Ctim.Sec, st.Ctim.Nsec}
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
