package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// A door is one of two ways into the same container, as root, with the same shell, home and rc files:
// the gateway, or the container's own sshd.
type door struct {
	column  column
	user    string
	address string
	server  int // whose processes serve: the agent, or sshd; 0 until it is known
	signer  ssh.Signer
	key     string // the file of it, for OpenSSH's client
}

// doors are both, and what they lead to.
type doors struct {
	bench     *bench
	container string
	gateway   door
	sshd      door
	recorded  bool
}

// sshdSettings lift the limit that the gateway's is lifted by staying below it, and no other.
const sshdSettings = "MaxStartups 1000\n"

// openDoors launches a container and gives root's key to both.
func (b *bench) openDoors(ctx context.Context) (*doors, error) {
	signer, file, err := b.newKey()
	if err != nil {
		return nil, err
	}
	d := &doors{bench: b, container: b.name(), recorded: true}
	w := commandWay{b}
	for _, args := range [][]string{
		{"user", "create", "bencher"},
		{"key", "add", file + ".pub", "--user", "bencher"},
		{"role", "grant", "owner", "bencher", "--on", "project:default"},
		{"launch", imageName, d.container, "--purpose", "a measurement", "--ssh-key", file + ".pub"},
		{"exec", d.container, "--", "sh", "-c", "printf '" + strings.TrimSpace(sshdSettings) + "\\n' > /etc/ssh/sshd_config.d/bench.conf"},
	} {
		if err := w.lodge(ctx, args...); err != nil {
			return nil, err
		}
	}
	if err := b.booted(ctx, w, d.container); err != nil {
		return nil, err
	}
	if err := w.lodge(ctx, "exec", d.container, "--", "systemctl", "restart", "ssh"); err != nil {
		return nil, err
	}
	host, err := b.agent.client.Host(ctx)
	if err != nil || host.SSH == nil {
		return nil, fmt.Errorf("the agent has no SSH door: %w", err)
	}
	ip, err := w.address(ctx, d.container)
	if err != nil {
		return nil, err
	}
	d.gateway = door{inAgent, "root+" + d.container, host.SSH.Address, b.agent.cmd.Process.Pid, signer, file}
	d.sshd = door{inRaw, "root", net.JoinHostPort(ip, "22"), 0, signer, file}
	if d.sshd.server, err = d.findSSHD(ctx); err != nil {
		return nil, err
	}
	return d, b.booted(ctx, w, d.container)
}

// newKey makes a key that OpenSSH's client can read too.
func (b *bench) newKey() (ssh.Signer, string, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "bench")
	if err != nil {
		return nil, "", err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(b.agent.home, "id_ed25519")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, "", err
	}
	return signer, file, os.WriteFile(file+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o644)
}

// findSSHD is the listening sshd of the container, by the host's process id.
func (d *doors) findSSHD(ctx context.Context) (int, error) {
	c, err := d.bench.agent.client.Container(ctx, refOf(d.container))
	if err != nil {
		return 0, err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for pid, p := range processes() {
			group, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
			title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if p.name == "sshd" && strings.Contains(string(group), string(c.ID)) && bytes.Contains(title, []byte("listener")) {
				return pid, nil
			}
		}
	}
	return 0, fmt.Errorf("%s has no sshd", d.container)
}

// record says whether sessions are recorded from now on.
func (d *doors) record(ctx context.Context, on bool) error {
	if d.recorded == on {
		return nil
	}
	d.recorded = on
	return commandWay{d.bench}.lodge(ctx, "config", "set", "session.record="+map[bool]string{true: "output", false: "off"}[on])
}

// algorithms are what both servers offer, so that neither does more than the other.
var algorithms = ssh.Config{KeyExchanges: []string{ssh.KeyExchangeCurve25519}, Ciphers: []string{ssh.CipherAES128GCM}}

// login connects and signs in, and returns when the server has said so.
func (d door) login(ctx context.Context) (*ssh.Client, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c, channels, requests, err := ssh.NewClientConn(conn, d.address, &ssh.ClientConfig{User: d.user, Config: algorithms,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(d.signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("sign in at %s: %w", d.address, err)
	}
	conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// client is a command of OpenSSH's, with nothing of the caller's configuration.
func (d door) client(ctx context.Context, options []string, line ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(d.address)
	args := append([]string{"-F", "none", "-i", d.key, "-p", port, "-l", d.user, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-c", ssh.CipherAES128GCM}, options...)
	c := exec.CommandContext(ctx, "ssh", append(append(args, host), line...)...)
	c.Env = toolEnv
	return c
}

// carry has OpenSSH's client run a line, with what it reads and where it writes.
func (d door) carry(ctx context.Context, in io.Reader, out io.Writer, options []string, line string) error {
	c := d.client(ctx, options, line)
	var words strings.Builder
	c.Stdin, c.Stdout, c.Stderr = in, out, &words
	if err := c.Run(); err != nil {
		return fmt.Errorf("ssh %s %s: %w: %s", d.address, line, err, words.String())
	}
	return nil
}

// A process as /proc/PID/stat has it (proc_pid_stat(5)).
type process struct {
	name   string
	parent int
	ran    time.Duration // of its own and of the children it has waited for
}

// userHz is what /proc counts time in (proc_pid_stat(5), sysconf(_SC_CLK_TCK)): 100 on every architecture here.
const userHz = 100

func processes() map[int]process {
	all := map[int]process{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		_, head, _ := strings.Cut(string(text), "(")
		end := strings.LastIndex(head, ") ")
		if end < 0 {
			continue
		}
		fields := strings.Fields(head[end+2:])
		if len(fields) < 15 {
			continue
		}
		p := process{name: head[:end]}
		p.parent, _ = strconv.Atoi(fields[1])
		for _, f := range fields[11:15] { // utime, stime, cutime, cstime
			ticks, _ := strconv.Atoi(f)
			p.ran += time.Duration(ticks) * (time.Second / userHz)
		}
		all[pid] = p
	}
	return all
}

// serving is what a process and all below it have had of the CPUs, and how many there are.
func serving(root int) (ran time.Duration, count int) {
	all := processes()
	for pid, p := range all {
		for up := pid; up > 1; up = all[up].parent {
			if up == root {
				ran, count = ran+p.ran, count+1
				break
			}
		}
	}
	return ran, count
}

// cost is the server's CPU time for n calls of do, once all it has started for them has ended.
func (d door) cost(n int, do func() error) (time.Duration, error) {
	before, count := serving(d.server)
	for range n {
		if err := do(); err != nil {
			return 0, err
		}
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		after, left := serving(d.server)
		if left <= count {
			return (after - before) / time.Duration(n), nil
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("%d processes of the server at %s do not end", left-count, d.address)
		}
	}
}

// close takes back what openDoors gave.
func (d *doors) close(ctx context.Context) error {
	err := d.record(ctx, true)
	w := commandWay{d.bench}
	return errors.Join(err, d.bench.clear(ctx, d.bench.viaAgent(), []string{d.container}),
		w.lodge(ctx, "role", "revoke", "owner", "bencher", "--on", "project:default"), w.lodge(ctx, "user", "delete", "bencher", "-y"))
}
