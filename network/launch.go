package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"lodge/inventory"
	"lodge/network/role"
)

// launch starts a role and waits until it answers on path.
func (s *Service) launch(ctx context.Context, path string) (*role.Client, error) {
	if len(path) > 107 { // unix(7): sun_path
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"start the net role: the path %s is too long for a socket; choose a shorter root", path)
	}
	if err := os.MkdirAll(s.cfg.RunDir, 0o700); err != nil {
		return nil, err
	}
	uid := strconv.Itoa(nobody)
	if s.cfg.RoleID != 0 {
		uid = strconv.FormatUint(uint64(s.cfg.RoleID), 10)
	}
	argv := []string{s.cfg.SelfExe, "net", "--control", path, "--zone", s.zonePath(), "--log", s.cfg.RunDir + "/net.log",
		"--version", s.cfg.Version, "--uid", uid, "--gid", uid}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := s.cfg.Starter.Start(ctx, "lodge-net", argv); err != nil {
		return nil, fmt.Errorf("start the net role: %w", err)
	}
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		if c, err := s.dial(ctx, path); err == nil {
			return c, nil
		} else if !errors.Is(err, errNoRole) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("start the net role: it did not answer in time; see %s/net.log", s.cfg.RunDir)
		case <-time.After(wait):
		}
	}
}

// nobody is the role's user where the agent has claimed no ids (Config.RoleID).
const nobody = 65534

// Detached starts processes in a session of their own, with standard streams on /dev/null. They stay
// in the agent's cgroup: a starter that knows systemd does better there.
type Detached struct{}

// Start implements Starter.
func (Detached) Start(_ context.Context, _ string, argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // so that it leaves no zombie while the agent lives
	return nil
}
