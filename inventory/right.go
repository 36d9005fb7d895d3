package inventory

import "slices"

// Right is one thing a principal may be allowed to do. A verb asks for exactly one.
type Right string

const (
	RightEnter     Right = "enter" // ask at all: what is seen then is filtered item by item
	RightView      Right = "view"
	RightCreate    Right = "create"
	RightOperate   Right = "operate"   // power: start, stop, restart, kill, freeze
	RightManage    Right = "manage"    // settings, size, rename, snapshots
	RightDelete    Right = "delete"    // to the trash
	RightPurge     Right = "purge"     // for good
	RightSession   Right = "session"   // exec, shell and ssh, as root too
	RightSudo      Right = "sudo"      // give an account sudo for a while
	RightConsole   Right = "console"   // the container's own terminal, where it asks who one is
	RightBootLog   Right = "boot-log"  // what it wrote there
	RightFile      Right = "file"      // read and write files inside
	RightForward   Right = "forward"   // ports of the container's network, over ssh
	RightSocket    Right = "socket"    // Unix sockets inside, over ssh
	RightAgent     Right = "agent"     // have one's ssh-agent(1) answer inside
	RightRecording Right = "recording" // watch what others' sessions were
	RightHostPath  Right = "host-path" // give containers folders of the host
	RightImage     Right = "image"     // build, import, delete images
	RightHost      Right = "host"      // host settings, pools, networks, quotas
	RightProject   Right = "project"   // projects: members and defaults
	RightAudit     Right = "audit"     // read and verify the journal
	RightApprove   Right = "approve"   // decide about others' changes
	RightEmergency Right = "emergency" // run at once what policies hold, to be reviewed
	RightPolicy    Right = "policy"    // change policies
	RightGrant     Right = "grant"     // give and take roles and ownership
	RightIdentity  Right = "identity"  // users, groups, and their keys and tokens
	RightSecret    Right = "secret"    // set and delete secrets; nobody reads them
	RightRecovery  Right = "recovery"  // recover, migrate
)

// Rights are all there are.
var Rights = []Right{RightEnter, RightView, RightCreate, RightOperate, RightManage, RightDelete, RightPurge,
	RightSession, RightSudo, RightConsole, RightBootLog, RightFile, RightForward, RightSocket, RightAgent, RightRecording, RightHostPath, RightImage, RightHost, RightProject, RightAudit,
	RightApprove, RightEmergency, RightPolicy, RightGrant, RightIdentity, RightSecret, RightRecovery}

// personal are the rights that take a person: no token carries them.
var personal = []Right{RightApprove, RightEmergency, RightGrant, RightIdentity, RightPolicy, RightRecovery, RightSudo}

// ForToken reports whether a token may carry the right.
func (r Right) ForToken() bool { return slices.Contains(Rights, r) && !slices.Contains(personal, r) }
