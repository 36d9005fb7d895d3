package identity

import (
	"context"
	"fmt"

	"lodge/inventory"
)

// Local says who a process of this host is: the user its uid is linked to, root, or a member of the
// Unix group that is nobody in particular. ErrDenied for everybody else, and for who is disabled.
func (s *Service) Local(ctx context.Context, peer inventory.Peer) (inventory.Principal, error) {
	d, err := s.Store.Directory(ctx)
	if err != nil {
		return inventory.Principal{}, err
	}
	p := inventory.Principal{Kind: inventory.KindPerson, Admin: peer.Member, From: "unix",
		Proof: fmt.Sprintf("%s%d", inventory.PeerProof, peer.UID)}
	if login, ok := d.UserOfUID(peer.Login); ok {
		p.Login = login.ID
	}
	if peer.UID == 0 {
		p.Name, p.Admin, p.BreakGlass = inventory.RootName, true, d.InUse()
		return p, nil
	}
	if u, ok := d.UserOfUID(peer.UID); ok {
		p.Name, p.User = u.Name, u.ID
		return p, refuseDisabled(u)
	}
	if !peer.Member {
		return p, inventory.Errorf(inventory.ErrDenied, "uid %d may not use the agent: nobody is linked to it; an admin lets them in with "+
			"'lodge user create NAME --uid %d', or as another admin with 'sudo usermod -aG lodge USER'", peer.UID, peer.UID)
	}
	p.Name = peer.Name
	if _, taken := d.Named(p.Name); taken || p.Name == inventory.RootName {
		p.Name = fmt.Sprintf("%s%s%d)", p.Name, uidMark, peer.UID) // and not the user of that name
	}
	return p, nil
}

// uidMark follows the name of a member of the Unix group that is called like a user, before their uid.
const uidMark = " (uid "

func refuseDisabled(u inventory.User) error {
	if u.IsDisabled() {
		return inventory.Errorf(inventory.ErrDenied, "%s is disabled; 'lodge user enable %s' by an admin lets them in again", u.Name, u.Name)
	}
	return nil
}
