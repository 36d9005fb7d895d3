package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// readyWithin bounds the agent's start: it makes a file system first.
const readyWithin = 40 * time.Second

// stopsWithin is how long the agent may take to end: it waits for what it is doing.
const stopsWithin = time.Minute

// agentConfig says how an agent of our own is started.
type agentConfig struct {
	bin  string
	dir  string
	keep bool
}

// An agent is a lodged of our own on a root of its own.
type agent struct {
	agentConfig
	home   string // holds root, claims, log
	cmd    *exec.Cmd
	client *client.Client
	ended  <-chan struct{}
}

func (a *agent) root() string   { return filepath.Join(a.home, "root") }
func (a *agent) socket() string { return filepath.Join(a.root(), "lodge.sock") }
func (a *agent) pool() string   { return filepath.Join(a.root(), "pools", "default") }

// startAgent makes a root and returns when the agent answers on it.
func startAgent(ctx context.Context, cfg agentConfig) (*agent, error) {
	home, err := os.MkdirTemp(cfg.dir, "lodgebench")
	if err != nil {
		return nil, err
	}
	// liblxc, once it has become a container's root, has to pass through.
	if err := os.Chmod(home, 0o711); err != nil {
		return nil, err
	}
	a := &agent{agentConfig: cfg, home: home}
	text := fmt.Sprintf("root: %s\nclaims: %s/claims\npool_size: 6GiB\n", a.root(), home)
	if err := os.WriteFile(filepath.Join(home, "lodged.yaml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := a.start(ctx); err != nil {
		a.remove()
		return nil, err
	}
	return a, nil
}

func (a *agent) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(a.home, "agent.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	a.cmd = exec.Command(filepath.Join(a.bin, "lodged"), "--config", filepath.Join(a.home, "lodged.yaml"))
	a.cmd.Stdout, a.cmd.Stderr = log, log
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := a.cmd.Start(); err != nil {
		return err
	}
	if a.client, err = client.Dial("unix:" + a.socket()); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { a.cmd.Wait(); close(ended) }()
	a.ended = ended
	for end := time.Now().Add(readyWithin); ; {
		if _, err = a.client.Host(ctx); err == nil {
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil || closed(ended) {
			return fmt.Errorf("the agent does not answer: %w; its log ends with %s", err, a.logTail())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (a *agent) logTail() []byte {
	text, _ := os.ReadFile(filepath.Join(a.home, "agent.log"))
	return bytes.TrimSpace(text[max(0, len(text)-500):])
}

// stop ends the agent and waits.
func (a *agent) stop() {
	if a.cmd == nil || a.cmd.Process == nil {
		return
	}
	a.client.Close()
	a.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-a.ended:
	case <-time.After(stopsWithin):
		a.cmd.Process.Kill()
		<-a.ended
	}
	a.cmd = nil
}

// remove purges every container, ends the agent and takes back what it holds of the host.
func (a *agent) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if a.client != nil && !closed(a.ended) {
		a.purgeAll(ctx)
	}
	a.stop()
	if a.keep {
		fmt.Fprintln(os.Stderr, "kept", a.home)
		return
	}
	config := filepath.Join(a.home, "lodged.yaml")
	if out, err := exec.Command(filepath.Join(a.bin, "lodged"), "release", "--config", config,
		"--forget").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: release: %v: %s\n", err, out)
		return // something of it is still mounted: not to be deleted
	}
	os.RemoveAll(a.home)
}

func (a *agent) purgeAll(ctx context.Context) {
	for _, trash := range []bool{false, true} {
		all, err := a.client.AllContainers(ctx, client.ContainerQuery{Trash: trash})
		if err != nil {
			return
		}
		each(8, len(all), func(i int) error {
			return settle(a.client.Purge(ctx, inventory.Ref{Name: string(all[i].ID)}, wait))
		})
	}
}

// wait has a mutation answer when it has ended.
var wait = client.Options{Wait: time.Minute}

// settle is the error of an operation that was waited for.
func settle(answer client.Answer, err error) error {
	if err != nil || answer.Operation == nil {
		return err
	}
	if !answer.Operation.State.IsEnded() {
		return fmt.Errorf("%s %s has not ended", answer.Operation.Verb, answer.Operation.Name)
	}
	return answer.Operation.Err()
}
