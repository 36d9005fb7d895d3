package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	noon = time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)
	dev1 = User{ID: "u-dev1", Name: "dev1", UIDs: []uint32{1001, 1002}}
	ops1 = User{ID: "u-ops1", Name: "ops1"}
	gone = User{ID: "u-gone", Name: "gone", Disabled: noon}
	// ops holds inner, and inner ops1: groups may hold groups.
	inner = Group{ID: "g-inner", Name: "inner", Members: []GroupMember{{User: "u-ops1"}}}
	ops   = Group{ID: "g-ops", Name: "ops", Members: []GroupMember{{Group: "g-inner"}, {User: "u-gone"}}}
)

func on(t *testing.T, text string) Extent {
	t.Helper()
	e, err := ParseExtent(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func given(t *testing.T, role Role, to GroupMember, extent string) Binding {
	t.Helper()
	return Binding{ID: BindingID(fmt.Sprint(role, to, extent)), Role: role, Subject: to, On: on(t, extent)}
}

func TestAllows(t *testing.T) {
	db1 := &Container{ID: "c-db1", Name: "db1", Project: "shop", Environment: "prod", Owner: "ops", Labels: map[string]string{"tier": "back"}}
	web1 := &Container{ID: "c-web1", Name: "web1", Environment: "dev", Owner: "dev1", Labels: map[string]string{"tier": "front"}}
	late := given(t, RoleViewer, GroupMember{User: dev1.ID}, "project:shop")
	late.Expires = noon
	d := NewDirectory([]User{dev1, ops1, gone}, []Group{ops, inner}, []Binding{
		given(t, RoleOperator, GroupMember{User: dev1.ID}, "selector:label.tier=back"), late,
		given(t, RoleAdmin, GroupMember{User: ops1.ID}, "host"),
		given(t, RoleAdmin, GroupMember{User: gone.ID}, "host"),
	}, []Token{
		{ID: "t-ci", User: dev1.ID, Rights: []Right{RightView, RightOperate}, On: on(t, "project:shop"), Hash: "h"},
		{ID: "t-old", User: dev1.ID, Rights: []Right{RightView}, On: on(t, "host"), Revoked: noon},
		{ID: "t-of-gone", User: gone.ID, Rights: []Right{RightView}, On: on(t, "host")},
	})
	person := func(u User) Principal { return Principal{Name: u.Name, User: u.ID, Kind: KindPerson} }
	token := func(u User, id TokenID) Principal { return Principal{User: u.ID, Kind: KindToken, Token: id} }
	root := Principal{Name: RootName, Kind: KindPerson, Admin: true, Proof: "peer uid 0"}
	member := Principal{Name: "bob", Kind: KindPerson, Admin: true, Proof: "peer uid 1005"}
	for name, c := range map[string]struct {
		p     Principal
		right Right
		c     *Container
		want  bool
	}{
		"an operator sees what the label selects":      {person(dev1), RightView, db1, true},
		"an operator may stop prod":                    {person(dev1), RightOperate, db1, true},
		"an operator has no shell in prod":             {person(dev1), RightSession, db1, false},
		"an operator may not purge":                    {person(dev1), RightPurge, db1, false},
		"an owner may all of their own":                {person(dev1), RightPurge, web1, true},
		"an owner may say who else may":                {person(dev1), RightGrant, web1, true},
		"who has a role somewhere may create":          {person(dev1), RightCreate, nil, true},
		"who has no role on the host changes it not":   {person(dev1), RightHost, nil, false},
		"who has no role on the host sees it not":      {person(dev1), RightView, nil, false},
		"every user may ask":                           {person(dev1), RightEnter, nil, true},
		"a group in a group owns":                      {person(ops1), RightSession, db1, true},
		"an admin has no shell by that":                {person(ops1), RightSession, web1, false},
		"an admin has no files by that":                {person(ops1), RightFile, web1, false},
		"an admin watches no recordings":               {person(ops1), RightRecording, web1, false},
		"an admin may manage":                          {person(ops1), RightManage, web1, true},
		"an admin keeps the host":                      {person(ops1), RightHost, nil, true},
		"a disabled user may nothing":                  {person(gone), RightView, db1, false},
		"a disabled user may not ask":                  {person(gone), RightEnter, nil, false},
		"the group's members are no admins any more":   {member, RightView, db1, false},
		"root may everything":                          {root, RightSession, db1, true},
		"the agent may everything":                     {System("boot"), RightPurge, db1, true},
		"nobody may nothing":                           {Principal{Name: "x", Kind: KindPerson}, RightView, db1, false},
		"a name is no proof":                           {Principal{Name: "ops1", Kind: KindPerson}, RightView, db1, false},
		"a user is not root by being called so":        {Principal{Name: RootName, User: dev1.ID, Kind: KindPerson}, RightPurge, db1, false},
		"a token may what its user may in its bounds":  {token(dev1, "t-ci"), RightOperate, db1, true},
		"a token may not what it was not made for":     {token(dev1, "t-ci"), RightManage, db1, false},
		"a token may nothing outside its extent":       {token(dev1, "t-ci"), RightView, web1, false},
		"a revoked token may nothing":                  {token(dev1, "t-old"), RightView, db1, false},
		"a token of a disabled user may nothing":       {token(gone, "t-of-gone"), RightView, db1, false},
		"a token is its user's alone":                  {token(ops1, "t-ci"), RightView, db1, false},
		"a token that is gone may nothing":             {token(dev1, "t-new"), RightView, db1, false},
		"nobody is a group's member by being its name": {Principal{Name: "ops", Kind: KindPerson}, RightView, db1, false},
	} {
		if got := d.Allows(c.p, c.right, c.c, noon); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !d.Allows(person(dev1), RightView, &Container{Project: "shop"}, noon.Add(-time.Second)) {
		t.Error("a role for a while does not hold before its end")
	}
	if d.Allows(person(dev1), RightView, &Container{Project: "shop"}, noon) {
		t.Error("a role for a while holds after its end")
	}
	if names := d.GroupNames(ops1.ID); !slices.Equal(names, []string{"inner", "ops"}) {
		t.Errorf("groups of ops1: %v", names)
	}
	if admins := d.Admins(); len(admins) != 1 || admins[0].ID != ops1.ID {
		t.Errorf("admins: %v", admins)
	}
}

// What a selector finds is that, and nothing of where it lies.
func TestSelectorsOwnNoProject(t *testing.T) {
	d := NewDirectory([]User{dev1}, nil, []Binding{given(t, RoleOwner, GroupMember{User: dev1.ID}, "selector:env!=prod")}, nil)
	p := Principal{Name: dev1.Name, User: dev1.ID, Kind: KindPerson}
	for name, c := range map[string]*Container{"web1": {ID: "c1", Name: "web1", Project: "shop", Environment: "dev"}, "": {Project: "shop"},
		"db1": {ID: "c2", Name: "db1", Project: "shop", Environment: "prod"}} {
		if got := d.Allows(p, RightGrant, c, noon); got != (name == "web1") {
			t.Errorf("on %q in shop: %v", name, got)
		}
	}
}

// A fresh host has one administrator who needs no roles; grants take from the Unix group what they
// give to people.
func TestTheUnixGroupIsAdminUntilRolesSayMore(t *testing.T) {
	member := Principal{Name: "bob", Kind: KindPerson, Admin: true, Proof: "peer uid 1005"}
	may := func(d *Directory, r Right) bool { return d.Allows(member, r, &Container{}, noon) }
	users := []User{dev1, ops1}
	fresh := NewDirectory(users, nil, nil, nil)
	viewers := NewDirectory(users, nil, []Binding{given(t, RoleViewer, GroupMember{User: dev1.ID}, "host")}, nil)
	operated := NewDirectory(users, nil, []Binding{given(t, RoleOperator, GroupMember{User: dev1.ID}, "project:shop")}, nil)
	administered := NewDirectory(users, nil, []Binding{given(t, RoleAdmin, GroupMember{User: ops1.ID}, "host")}, nil)
	for what, c := range map[string]struct {
		d               *Directory
		manage, session bool
	}{"fresh": {fresh, true, true}, "with a viewer": {viewers, true, true},
		"with an operator": {operated, true, false}, "with an admin": {administered, false, false}} {
		if may(c.d, RightManage) != c.manage || may(c.d, RightSession) != c.session {
			t.Errorf("%s: manage %v, session %v", what, may(c.d, RightManage), may(c.d, RightSession))
		}
	}
}

func TestDirectoryCheck(t *testing.T) {
	auditors := Group{ID: "g-aud", Name: "auditors", Members: []GroupMember{{Group: "g-inner"}}}
	audits := given(t, RoleAuditor, GroupMember{Group: "g-aud"}, "host")
	for name, c := range map[string]struct {
		groups   []Group
		bindings []Binding
		want     error
		text     string
	}{
		"an auditor by two groups who operates by one": {[]Group{auditors, inner},
			[]Binding{audits, given(t, RoleOperator, GroupMember{Group: "g-inner"}, "project:shop")}, ErrDenied, "ops1 would be auditor and operator"},
		"an auditor who approves": {[]Group{auditors, inner},
			[]Binding{audits, given(t, RoleApprover, GroupMember{User: ops1.ID}, "host")}, nil, ""},
		"a group in itself": {[]Group{{ID: "g", Name: "g", Members: []GroupMember{{Group: "g"}}}}, nil, ErrInvalid, "group g"},
		"groups in a circle": {[]Group{{ID: "a", Name: "a", Members: []GroupMember{{Group: "b"}}},
			{ID: "b", Name: "b", Members: []GroupMember{{Group: "c"}}}, {ID: "c", Name: "c", Members: []GroupMember{{Group: "a"}, {User: dev1.ID}}}},
			[]Binding{given(t, RoleViewer, GroupMember{Group: "a"}, "host")}, ErrInvalid, "would hold itself"},
	} {
		d := NewDirectory([]User{dev1, ops1}, c.groups, c.bindings, nil)
		err := d.Check()
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "groups in a circle" && !d.Allows(Principal{User: dev1.ID, Kind: KindPerson}, RightView, nil, noon) {
			t.Error("a circle that is there already is not survived")
		}
	}
}

func TestIsSame(t *testing.T) {
	alice := Principal{Name: "alice", User: "u1", Kind: KindPerson, Proof: "peer uid 1001"}
	for name, c := range map[string]struct {
		q    Principal
		want bool
	}{
		"by another uid":                 {Principal{Name: "alice", User: "u1", Kind: KindPerson, Proof: "peer uid 1002"}, true},
		"by a token":                     {Principal{Name: "alice/ci", User: "u1", Kind: KindToken, Proof: "token ci"}, true},
		"as root, signed in as herself":  {Principal{Name: RootName, Login: "u1", Kind: KindPerson, Admin: true, Proof: "peer uid 0"}, true},
		"before her uid was linked":      {Principal{Name: "al", Kind: KindPerson, Proof: "peer uid 1001"}, true},
		"another of the same old name":   {Principal{Name: "alice", User: "u2", Kind: KindPerson, Proof: "peer uid 1003"}, false},
		"root, signed in as nobody else": {Principal{Name: RootName, Kind: KindPerson, Admin: true, Proof: "peer uid 0"}, false},
		"the agent":                      {System("boot"), false},
	} {
		if got := alice.IsSame(c.q); got != c.want || c.q.IsSame(alice) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestParseSSHKey(t *testing.T) {
	const good = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	k, err := ParseSSHKey(" ssh-ed25519 " + good + " a b\n")
	// ssh-keygen -lf of the same key
	if err != nil || k.Fingerprint != "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" || k.Comment != "a b" {
		t.Errorf("%+v, %v", k, err)
	}
	for name, line := range map[string]string{
		"nothing":         "",
		"a private key":   "-----BEGIN OPENSSH PRIVATE KEY-----",
		"options":         `command="x" ssh-ed25519 ` + good,
		"DSA":             "ssh-dss " + good,
		"another type":    "ssh-rsa " + good,
		"cut short":       "ssh-ed25519 " + good[:40],
		"a certificate":   "ssh-ed25519-cert-v01@openssh.com " + good,
		"escapes":         "ssh-ed25519 " + good + " \x1b[2J",
		"1 MiB":           "ssh-ed25519 " + strings.Repeat("A", 1<<20),
		"more than a key": "ssh-ed25519 " + good + "AAAA",
	} {
		if k, err := ParseSSHKey(line); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s is taken as %+v, %v", name, k, err)
		}
	}
}

func TestExtents(t *testing.T) {
	for text, want := range map[string]string{"host": "host", "project:shop": "project:shop", "container:x": "container:x",
		"selector:label.tier=front & env=prod": "selector:label.tier=front & env=prod"} {
		if e := on(t, text); e.String() != want {
			t.Errorf("%s is written %s", text, e)
		}
	}
	for _, text := range []string{"", "host:x", "project:", "selector:", "selector:state=running", "selector:owner=me", "selector:((", "planet:x"} {
		if e, err := ParseExtent(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q is taken as %v, %v", text, e, err)
		}
	}
}

func BenchmarkAllows(b *testing.B) {
	var users []User
	var bindings []Binding
	for i := range 1000 {
		id := UserID(fmt.Sprint("u", i/5))
		if i%5 == 0 {
			users = append(users, User{ID: id, Name: string(id)})
		}
		text := []string{"host", fmt.Sprint("project:p", i), fmt.Sprint("container:c", i), "selector:label.tier=front & env=prod", "selector:label.app=x"}[i%5]
		e, _ := ParseExtent(text)
		bindings = append(bindings, Binding{Role: RoleViewer, Subject: GroupMember{User: id}, On: e})
	}
	d := NewDirectory(users, nil, bindings, nil)
	p, c := Principal{User: "u7", Kind: KindPerson}, &Container{ID: "c1", Environment: "prod", Labels: map[string]string{"tier": "front"}}
	b.ReportAllocs()
	for b.Loop() {
		d.Allows(p, RightPurge, c, noon)
	}
}
