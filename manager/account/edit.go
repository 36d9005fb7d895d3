package account

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
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
