package worker

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/session/stream"
)

// FuzzRequest: whatever a client puts into the requests of a session, nothing but what is on the lists gets
// into the session's parameters.
func FuzzRequest(f *testing.F) {
	env := ssh.Marshal(struct{ Name, Value string }{"LC_ALL", "C"})
	pty := ssh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{"xterm", 80, 24, 0, 0, "\x03\x00\x00\x00\x7f\x00"})
	for what, seed := range map[string][]byte{"env": env, "pty-req": pty, "window-change": pty[9:25], "signal": []byte("\x00\x00\x00\x03INT"),
		"subsystem": []byte("\x00\x00\x00\x04sftx")} {
		f.Add(what, seed)
	}
	f.Fuzz(func(t *testing.T, what string, payload []byte) {
		w := &session{resize: make(chan stream.Size, 1), args: inventory.SessionArgs{Env: map[string]string{}}}
		if what == "shell" || what == "exec" || what == "subsystem" && strings.Contains(string(payload), "sftp") {
			return // these begin
		}
		w.handle(&ssh.Request{Type: what, Payload: payload}, nil)
		for name, value := range w.args.Env {
			if !strings.HasPrefix(name, "LC_") && name != "LANG" && name != "LANGUAGE" && name != "COLORTERM" || strings.ContainsAny(name+value, "\x00\n=") {
				t.Errorf("%q=%q came through", name, value)
			}
		}
		if w.args.Modes != nil && strings.Trim(*w.args.Modes, "0123456789=,") != "" {
			t.Errorf("modes %q", *w.args.Modes)
		}
		if len(w.args.Term) > termMost || printable(w.args.Term) != w.args.Term || w.args.Columns > 4096 || w.args.Rows < 0 {
			t.Errorf("%+v", w.args)
		}
	})
}

// FuzzKey: no bytes that a client shows as its key make the worker fall, or tell the gateway of a certificate
// that names nobody.
func FuzzKey(f *testing.F) {
	for _, line := range []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"} {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(key.Marshal())
		f.Add((&ssh.Certificate{Key: key, CertType: ssh.UserCert, ValidPrincipals: []string{"ann"}, SignatureKey: key,
			Signature: &ssh.Signature{Format: key.Type(), Blob: make([]byte, 64)}}).Marshal())
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		key, err := ssh.ParsePublicKey(blob)
		if err != nil {
			return
		}
		shown, err := public(key, time.Unix(1e9, 0))
		if err == nil && shown.Certificate != nil && len(shown.Certificate.Principals) == 0 {
			t.Errorf("%+v", shown)
		}
	})
}

// FuzzForward: what a client asks to have forwarded is a host and a port, or nothing.
func FuzzForward(f *testing.F) {
	f.Add(ssh.Marshal(bindMessage{"127.0.0.1", 80}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var m bindMessage
		if ssh.Unmarshal(payload, &m) == nil && len(m.Host) > len(payload) {
			t.Errorf("a host of %d bytes out of %d", len(m.Host), len(payload))
		}
		(&server{}).cancel(payload, nil)
		(&server{}).cancelUnix(payload, nil)
		if line := printableLine(string(payload)); strings.ContainsAny(line, "\x00\n\r\x1b\x7f") {
			t.Errorf("%q", line)
		}
	})
}

// FuzzAgent: whatever programs inside send, the client's agent hears whole questions of the kinds they may ask.
func FuzzAgent(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 11, 0, 0, 0, 2, 17, 0})
	f.Add([]byte{0, 0, 0, 1, 25, 0, 0, 0, 3, 13, 1, 2, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, asked []byte) {
		var told, answered bytes.Buffer
		inside := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(asked), &answered}
		answers := make(chan []byte, 1)
		for {
			if len(answers) == 0 {
				answers <- []byte{0, 0, 0, 1, 6}
			}
			if relayAgent(inside, &told, answers) != nil {
				break
			}
		}
		for told.Len() > 0 {
			m, err := agentMessage(&told)
			if err != nil || !agentTakes[m[4]] {
				t.Fatalf("the agent hears %x, %v", m, err)
			}
		}
	})
}
