package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"lodge/inventory"
	"lodge/manager/change/sshsig"
	"lodge/web/client"
	"lodge/web/wire"
)

// signed is what goes with an approval: a note, and the caller's signature where one is asked for. What
// is signed is the plan as it was sent to us, by its digest as we compute it.
func signed(c *cli.Context, api *client.Client, id inventory.ChangeID) (inventory.ApproveArgs, error) {
	args := inventory.ApproveArgs{Note: c.String("note")}
	ask, err := api.ApprovalMessage(c.Context, id)
	if err != nil || !ask.Required && c.String("key") == "" {
		return args, err
	}
	h, err := api.Change(c.Context, id)
	if err != nil {
		return args, err
	}
	if err := checkMessage(ask, h); err != nil {
		return args, err
	}
	signer, done, err := findSigner(c.String("key"), ask.Keys)
	if err != nil {
		return args, err
	}
	defer done()
	args.Message = ask.Message
	if args.Signature, err = sshsig.Sign(signer, inventory.ApprovalNamespace, []byte(ask.Message)); err != nil {
		return args, inventory.Errorf(inventory.ErrDenied, "nothing was signed: %v", err)
	}
	return args, nil
}

// checkMessage reports whether what we are asked to sign is the plan that is shown.
func checkMessage(ask inventory.ApprovalRequest, h wire.Change) error {
	m, err := inventory.ParseApprovalMessage(ask.Message)
	if err != nil {
		return err
	}
	digest, err := inventory.PlanDigest(&h.Plan)
	if err != nil {
		return err
	}
	if m.Digest != digest || m.Change != h.ID || ask.Namespace != inventory.ApprovalNamespace {
		return inventory.Errorf(inventory.ErrDenied, "nothing was signed: what the agent asks for is not the plan of change %d", h.Number)
	}
	return nil
}

// findSigner returns the key of a file, or the first of ssh-agent's that is registered.
func findSigner(path string, registered []string) (signer ssh.Signer, done func(), err error) {
	if path != "" {
		signer, err = keyOfFile(path)
		return signer, func() {}, err
	}
	conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return nil, nil, unsigned(registered)
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		conn.Close()
		return nil, nil, inventory.Errorf(inventory.ErrUnavailable, "ssh-agent does not answer: %v", err)
	}
	for _, s := range signers {
		if slices.Contains(registered, ssh.FingerprintSHA256(s.PublicKey())) {
			return s, func() { conn.Close() }, nil
		}
	}
	conn.Close()
	return nil, nil, unsigned(registered)
}

func unsigned(registered []string) error {
	if len(registered) == 0 {
		return inventory.Errorf(inventory.ErrDenied, "an approval has to be signed, and you have no SSH key here; 'lodge key add' registers one")
	}
	return inventory.Errorf(inventory.ErrDenied, "an approval has to be signed with %s: add it to ssh-agent, or give --key FILE",
		strings.Join(registered, " or "))
}

func keyOfFile(path string) (ssh.Signer, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("--key: %v", err)
	}
	signer, err := ssh.ParsePrivateKey(raw)
	if errors.As(err, new(*ssh.PassphraseMissingError)) {
		return nil, usage("--key: %s has a passphrase; add it to ssh-agent with 'ssh-add %s'", path, path)
	}
	if err != nil {
		return nil, usage("--key: %s is no private SSH key: %v", path, err)
	}
	return signer, nil
}

// exportSignature writes what OpenSSH alone needs to verify an approval, and says how.
func exportSignature(c *cli.Context, h wire.Change) error {
	n := c.Int("signature")
	if n < 1 || n > len(h.Approvals) || h.Approvals[n-1].Signature == nil {
		return inventory.Errorf(inventory.ErrNotFound, "change %d has no signature %d", h.Number, n)
	}
	a := h.Approvals[n-1]
	name := fmt.Sprintf("change-%d-%d.json", h.Number, n)
	for file, text := range map[string]string{name: a.Signature.Message, name + ".sig": a.Signature.Armored,
		"allowed_signers": fmt.Sprintf("%s namespaces=%q %s\n", a.Principal.Name, inventory.ApprovalNamespace, a.Signature.Key)} {
		if err := os.WriteFile(filepath.Join(c.String("to"), file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.App.Writer, "ssh-keygen -Y verify -f allowed_signers -I %s -n %s -s %s.sig < %s\n", a.Principal.Name,
		inventory.ApprovalNamespace, name, name)
	return nil
}
