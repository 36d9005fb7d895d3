package change

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/change/sshsig"
)

const (
	// signSetting says which approvals have to be signed.
	signSetting = "change.signature"

	signAlways     = "required"
	signRegistered = "when-registered"
	signNever      = "off"

	// clockSkew is how far the approver's clock may be from ours.
	clockSkew = 10 * time.Minute
)

// Message is what the caller signs to approve the change, and with which keys.
func (s *Service) Message(ctx context.Context, id inventory.ChangeID) (a inventory.ApprovalRequest, err error) {
	c, err := s.waiting(ctx, id)
	if err != nil {
		return a, err
	}
	keep, err := s.duration(ctx, keepSetting)
	if err != nil {
		return a, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	now := s.Now()
	text, err := inventory.ApprovalMessage{Approver: p.Name, At: now, Change: c.ID, Digest: c.Plan.Digest,
		Expires: now.Add(keep)}.Canonical()
	if err != nil {
		return a, err
	}
	a = inventory.ApprovalRequest{Message: string(text), Namespace: inventory.ApprovalNamespace, Keys: []string{}}
	for _, k := range s.People.SSHKeys(p) {
		a.Keys = append(a.Keys, k.Fingerprint)
	}
	a.Required, err = s.mustSign(ctx, p)
	return a, err
}

// mustSign reports whether an approval by p has to be signed.
func (s *Service) mustSign(ctx context.Context, p inventory.Principal) (bool, error) {
	rule, err := s.value(ctx, signSetting)
	return rule == signAlways || rule == signRegistered && len(s.People.SSHKeys(p)) > 0, err
}

// signed checks what comes with an approval: the message is about this plan and by this approver, and
// signed by a key that is theirs. Without a signature it is nil, where none is asked for.
func (s *Service) signed(ctx context.Context, c inventory.Change, p inventory.Principal, args inventory.ApproveArgs,
	latest time.Time) (*inventory.Signature, time.Time, error) {
	if args.Signature == "" {
		must, err := s.mustSign(ctx, p)
		if err == nil && must {
			err = inventory.Errorf(inventory.ErrDenied, "it has to be signed with an SSH key of theirs, which 'lodge change approve' does with ssh-agent or --key FILE; 'lodge key add' registers one")
		}
		return nil, latest, err
	}
	m, err := inventory.ParseApprovalMessage(args.Message)
	if err != nil {
		return nil, latest, err
	}
	now := s.Now()
	wrong := ""
	switch {
	case m.Change != c.ID || m.Digest != c.Plan.Digest:
		wrong = "what was signed is another plan"
	case m.Approver != p.Name:
		wrong = "what was signed is in the name of " + m.Approver
	case m.At.Sub(now).Abs() > clockSkew:
		wrong = "it was signed at " + m.At.Format(timeText) + ", and here it is " + now.UTC().Format(timeText)
	case !m.Expires.After(now) || m.Expires.After(latest.Add(clockSkew)):
		wrong = "it is meant to count until " + m.Expires.Format(timeText) + "; that is not within " + keepSetting
	}
	if wrong != "" {
		return nil, latest, inventory.Errorf(inventory.ErrDenied, "%s", wrong)
	}
	key, err := s.verify(p, args.Message, args.Signature)
	if err != nil {
		return nil, latest, err
	}
	return &inventory.Signature{Message: args.Message, Armored: args.Signature, Key: key.Line, Fingerprint: key.Fingerprint}, m.Expires, nil
}

// verify checks a signature over the message by one of p's keys as they are registered now.
func (s *Service) verify(p inventory.Principal, message, armored string) (inventory.SSHKey, error) {
	sig, err := sshsig.Parse(armored)
	if err == nil {
		err = sig.Verify(inventory.ApprovalNamespace, []byte(message))
	}
	if err != nil {
		return inventory.SSHKey{}, inventory.Errorf(inventory.ErrDenied, "%v", err)
	}
	fingerprint := ssh.FingerprintSHA256(sig.Key)
	keys := s.People.SSHKeys(p)
	at := slices.IndexFunc(keys, func(k inventory.SSHKey) bool { return k.Fingerprint == fingerprint })
	if at < 0 {
		return inventory.SSHKey{}, inventory.Errorf(inventory.ErrDenied, "the key %s is none of theirs; 'lodge key add' registers one", fingerprint)
	}
	return keys[at], nil
}

// signatureFault says why an approval's signature does not hold now, "" if it does: its key may have
// been taken away since, or the message may not be about this plan.
func (s *Service) signatureFault(c inventory.Change, a inventory.Approval) string {
	if a.Signature == nil {
		if rule, err := s.value(context.Background(), signSetting); err != nil || rule == signAlways {
			return "not signed"
		}
		return ""
	}
	m, err := inventory.ParseApprovalMessage(a.Signature.Message)
	if err != nil || m.Change != c.ID || m.Digest != c.Plan.Digest || m.Approver != a.Principal.Name {
		return "signed for something else"
	}
	if _, err := s.verify(a.Principal, a.Signature.Message, a.Signature.Armored); err != nil {
		return strings.TrimSpace(err.Error())
	}
	return ""
}
