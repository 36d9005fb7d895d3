package change_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/change/sshsig"
	"lodge/manager/gate"
)

// newKey registers a fresh key for somebody.
func (b *bench) newKey(who string) ssh.Signer {
	b.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		b.Fatal(err)
	}
	key, err := inventory.ParseSSHKey(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	if err != nil {
		b.Fatal(err)
	}
	if who != "" {
		b.world.change(func(w *world) { w.keys[who] = append(w.keys[who], key) })
	}
	return signer
}

// message is what the agent asks who to sign.
func (b *bench) message(who string, c inventory.Change) inventory.ApprovalMessage {
	b.Helper()
	ask, err := b.changes.Message(b.as(who), c.ID)
	if err != nil {
		b.Fatal(err)
	}
	m, err := inventory.ParseApprovalMessage(ask.Message)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func (b *bench) approveSigned(who string, signer ssh.Signer, namespace string, m inventory.ApprovalMessage, c inventory.Change) (gate.Answer, error) {
	b.Helper()
	text, err := m.Canonical()
	if err != nil {
		b.Fatal(err)
	}
	sig, err := sshsig.Sign(signer, namespace, text)
	if err != nil {
		b.Fatal(err)
	}
	return b.changes.Approve(b.as(who), c.ID, inventory.ApproveArgs{Message: string(text), Signature: sig})
}

func TestSignedApproval(t *testing.T) {
	b := newBench(t)
	key := b.newKey("ops1")
	c := b.held()
	if _, err := b.approve("ops1", c); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("without a signature, with a key: %v", err)
	}
	a, err := b.approveSigned("ops1", key, inventory.ApprovalNamespace, b.message("ops1", c), c)
	if err != nil {
		t.Fatal(err)
	}
	b.wait(a)
	b.is(c.ID, inventory.ChangeDone)
	s := b.change(c.ID).Approvals[0].Signature
	if s == nil || s.Fingerprint != ssh.FingerprintSHA256(key.PublicKey()) || !strings.HasPrefix(s.Key, "ssh-ed25519 ") {
		t.Errorf("kept is %+v", s)
	}
}

func TestWrongSignatures(t *testing.T) {
	b := newBench(t)
	key, strange := b.newKey("ops1"), b.newKey("")
	c, other := b.held(), b.held()
	for name, tc := range map[string]struct {
		key       ssh.Signer
		namespace string
		edit      func(*inventory.ApprovalMessage)
		why       string
	}{
		"another plan":      {key, inventory.ApprovalNamespace, func(m *inventory.ApprovalMessage) { *m = b.message("ops1", other) }, "another plan"},
		"an edited digest":  {key, inventory.ApprovalNamespace, func(m *inventory.ApprovalMessage) { m.Digest = "sha256:00" }, "another plan"},
		"another's name":    {key, inventory.ApprovalNamespace, func(m *inventory.ApprovalMessage) { m.Approver = "ops2" }, "in the name of ops2"},
		"signed long ago":   {key, inventory.ApprovalNamespace, func(m *inventory.ApprovalMessage) { m.At = m.At.Add(-time.Hour) }, "signed at"},
		"for ever":          {key, inventory.ApprovalNamespace, func(m *inventory.ApprovalMessage) { m.Expires = m.Expires.Add(1000 * time.Hour) }, "change.approval.keep"},
		"a stranger's key":  {strange, inventory.ApprovalNamespace, func(*inventory.ApprovalMessage) {}, "none of theirs"},
		"another namespace": {key, "file", func(*inventory.ApprovalMessage) {}, "was made for"},
	} {
		m := b.message("ops1", c)
		tc.edit(&m)
		if _, err := b.approveSigned("ops1", tc.key, tc.namespace, m, c); !errors.Is(err, inventory.ErrDenied) || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now := b.change(c.ID); len(now.Approvals) > 0 {
		t.Errorf("it has approvals: %+v", now.Approvals)
	}
}

// A key that is taken from its owner before the change begins takes the approval with it.
func TestRevokedKey(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) { w.needs[0].Approvals = 2 })
	key := b.newKey("ops1")
	c := b.held()
	if _, err := b.approveSigned("ops1", key, inventory.ApprovalNamespace, b.message("ops1", c), c); err != nil {
		t.Fatal(err)
	}
	b.world.change(func(w *world) { w.keys["ops1"] = nil })
	if a, err := b.approve("ops2", c); err != nil || a.Change == nil || a.Change.State != inventory.ChangeSubmitted {
		t.Errorf("it ran: %+v, %v", a.Change, err)
	}
}

func TestSignatureRule(t *testing.T) {
	for rule, want := range map[string]bool{"required": true, "when-registered": false, "off": false} {
		b := newBench(t)
		b.world.change(func(w *world) { w.settings = map[string]string{"change.signature": rule} })
		c := b.held()
		if _, err := b.approve("ops1", c); errors.Is(err, inventory.ErrDenied) != want {
			t.Errorf("%s, without a key: %v", rule, err)
		}
		if rule != "off" {
			continue
		}
		b.newKey("ops2")
		if _, err := b.approve("ops2", b.held()); err != nil {
			t.Errorf("off, with a key: %v", err)
		}
	}
}
