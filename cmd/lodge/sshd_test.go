package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
)

// sshdCommand starts an SSH server whose clients are the real ssh of the machine:
//
//	sshd    sets LODGE_SSH to an ssh that knows the server's key and has one it takes, and REMOTE to
//	        the ssh:// address of the script's agent
func sshdCommand(ts *testscript.TestScript, _ bool, _ []string) {
	if _, err := osexec.LookPath("ssh"); err != nil {
		ts.Fatalf("ssh is missing: apt-get install openssh-client")
	}
	dir := ts.MkAbs("ssh")
	ts.Check(os.Mkdir(dir, 0o700))
	hostKey, person := newKey(ts, ""), newKey(ts, filepath.Join(dir, "id"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	port := l.Addr().(*net.TCPAddr).Port
	known := fmt.Sprintf("[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(hostKey.PublicKey()))
	ts.Check(os.WriteFile(filepath.Join(dir, "known"), []byte(known), 0o600))
	config := fmt.Sprintf("Host *\n IdentityFile %s/id\n IdentitiesOnly yes\n UserKnownHostsFile %s/known\n StrictHostKeyChecking yes\n BatchMode yes\n", dir, dir)
	ts.Check(os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600))
	server := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(person.PublicKey().Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	server.AddHostKey(hostKey)
	env := []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + dir}
	go serveSSH(l, server, env)
	ts.Setenv("LODGE_SSH", "ssh -F "+filepath.Join(dir, "config"))
	agent := ts.Value("agent").(*fakeAgent)
	ts.Setenv("REMOTE", fmt.Sprintf("ssh://somebody@127.0.0.1:%d%s", port, agent.socket))
}

// newKey makes a key, and writes it to a file unless path is empty.
func newKey(ts *testscript.TestScript, path string) ssh.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	ts.Check(err)
	signer, err := ssh.NewSignerFromKey(key)
	ts.Check(err)
	if path != "" {
		block, err := ssh.MarshalPrivateKey(key, "")
		ts.Check(err)
		ts.Check(os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	}
	return signer
}

// serveSSH runs what clients ask for with sh, as sshd does with the account's shell.
func serveSSH(l net.Listener, config *ssh.ServerConfig, env []string) {
	for {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			conn, channels, requests, err := ssh.NewServerConn(raw, config)
			if err != nil {
				return
			}
			defer conn.Close()
			go ssh.DiscardRequests(requests)
			for c := range channels {
				go serveChannel(c, env)
			}
		}()
	}
}

func serveChannel(c ssh.NewChannel, env []string) {
	channel, requests, err := c.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for r := range requests {
		var command struct{ Text string }
		if r.Type != "exec" || ssh.Unmarshal(r.Payload, &command) != nil {
			r.Reply(false, nil)
			continue
		}
		r.Reply(true, nil)
		runRemote(channel, command.Text, env)
		return
	}
}

func runRemote(channel ssh.Channel, text string, env []string) {
	cmd := osexec.Command("sh", "-c", text)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, channel, channel.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return
	}
	go func() { // ends with the channel
		buffer := make([]byte, 32<<10)
		for {
			n, err := channel.Read(buffer)
			if _, failed := in.Write(buffer[:n]); err != nil || failed != nil {
				in.Close()
				return
			}
		}
	}()
	cmd.Wait()
	status := struct{ Code uint32 }{uint32(max(cmd.ProcessState.ExitCode(), 0))}
	channel.SendRequest("exit-status", false, ssh.Marshal(status))
}
