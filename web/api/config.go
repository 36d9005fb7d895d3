package api

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/wire"
)

// Config is what the door opens onto. Gate, Rights, Identity, Reads, Observer, Settings and Log are
// required; a service that is nil answers that it is unavailable.
type Config struct {
	Gate       Gate
	Changes    Decisions
	Rights     gate.Rights // which items of a list a caller may see
	Identity   Identity
	Refusals   Refusals // told of callers who are not let in; nil: nobody is
	Secrets    Secrets
	SSH        SSH
	Schedules  Schedules
	Reads      Reads
	Observer   Observer
	Settings   Settings
	Sessions   Sessions
	Recordings Recordings
	Files      Files
	Console    Console
	Journal    Journal
	Proofs     Proofs
	Evidence   Evidence
	Images     Images
	Policies   Policies
	Log        *slog.Logger
	Version    string
	Now        func() time.Time // nil: time.Now

	// Uploads is the folder archives are spooled to, on the file system of the pools' root; mode
	// 0700. UploadLimit bounds one, in bytes; 0 means 16 GiB.
	Uploads     string
	UploadLimit int64

	// Group is the Unix group whose members may use the socket beside root; "" means lodge.
	Group string
	// InContainer reports whether a host uid is one of a container's. Nil: every uid from
	// FirstContainerUID on is taken for one.
	InContainer func(uid uint32) bool
}

// Refusals are written to the audit journal.
type Refusals interface {
	Fact(ctx context.Context, r inventory.Record) error
}

// Schedules know what is done again and again.
type Schedules interface {
	// Fates says what becomes of the snapshots that the container's schedule took, the newest first, by
	// the numbers in force or by others; ErrInvalid if these are none.
	Fates(ctx context.Context, c *inventory.Container, keep string) ([]inventory.Fate, error)
	// Runs returns up to limit runs, the newest first; the one that is next is among them.
	Runs(ctx context.Context, id inventory.ContainerID, limit int) ([]inventory.Run, error)
}

// Identity says who callers are, and who there is.
type Identity interface {
	// Local names a process of this host; ErrDenied for who may not come in.
	Local(ctx context.Context, peer inventory.Peer) (inventory.Principal, error)
	// Bearer names who shows the secret of a token; ErrDenied for one that opens nothing.
	Bearer(ctx context.Context, secret string) (inventory.Principal, error)
	Directory(ctx context.Context) (*inventory.Directory, error)
}

// SSH has the keys that sign certificates.
type SSH interface {
	// Certify signs that a public key is the caller's, for a while.
	Certify(ctx context.Context, key string) (wire.SSHCertificate, error)
	Authorities(ctx context.Context) (wire.SSHAuthorities, error)
	// Signed are the certificates that were signed for users.
	Signed(ctx context.Context, q inventory.CertificateQuery) ([]inventory.Certificate, error)
	// RevocationList is what OpenSSH's RevokedKeys reads.
	RevocationList(ctx context.Context) ([]byte, error)
}

// Secrets keep values for the agent, which nobody sees again.
type Secrets interface {
	// Seal makes of a value what the parameters of secret.set may hold.
	Seal(value []byte) (string, error)
	// List returns all by name, without their values.
	List(ctx context.Context) ([]inventory.Secret, error)
}

// Images writes images out as archives, and looks at those of others.
type Images interface {
	// Export writes nothing before an error that is the caller's.
	Export(ctx context.Context, ref string, packing inventory.Packing, w io.Writer) error
	// RemoteImages asks a remote what images it has.
	RemoteImages(ctx context.Context, remote string) ([]inventory.RemoteImage, error)
}

// Gate is what the door needs of *gate.Gate.
type Gate interface {
	Mutations
	// Enter passes a read or a session.
	Enter(ctx context.Context, r gate.Request) (*gate.Entry, error)
}

// Mutations begin operations and follow them.
type Mutations interface {
	Begin(ctx context.Context, r gate.Request) (gate.Answer, error)
	Wait(ctx context.Context, id inventory.OperationID) (inventory.Operation, error)
	Cancel(ctx context.Context, id inventory.OperationID) error
	Live(id inventory.OperationID) (percent int, text string, ok bool)
}

// Decisions are made about held plans.
type Decisions interface {
	// Approve agrees to the exact plan; the answer is the operation if that released it.
	Approve(ctx context.Context, id inventory.ChangeID, args inventory.ApproveArgs) (gate.Answer, error)
	// Message is what the caller signs to approve.
	Message(ctx context.Context, id inventory.ChangeID) (inventory.ApprovalRequest, error)
	// Decide makes one of the decisions that release nothing: change.reject, change.cancel, ...
	Decide(ctx context.Context, verb string, id inventory.ChangeID, note string) (inventory.Change, error)
	// Replan is the change's plan as it would be made now.
	Replan(ctx context.Context, c inventory.Change) (*inventory.Plan, error)
	// Sees reports whether the caller may know of the change.
	Sees(ctx context.Context, c inventory.Change) bool
}

// Reads are the store's read models. Each list is complete for its query and in the order the
// method says; what a caller may not see is left out by the door.
type Reads interface {
	ContainerReads
	OperationReads
	HostReads
	ProjectReads
	VolumeReads
	EventReads
	FirewallReads
	WindowReads
	LeaseReads
	SudoReads
	PolicyReads
}

// FirewallReads say who may talk to whom. Lists begin with the oldest.
type FirewallReads interface {
	FirewallRules(ctx context.Context) ([]wire.FirewallRule, error)
	// TestFirewall says what would become of a connection.
	TestFirewall(ctx context.Context, args inventory.FirewallArgs) (wire.FirewallVerdict, error)
	// FirewallLog is what was not let through since the agent started, at most as much as is kept.
	FirewallLog(ctx context.Context) ([]wire.FirewallDrop, error)
	ForwardList(ctx context.Context) ([]wire.Forward, error)
}

// VolumeReads find volumes and what belongs to them.
type VolumeReads interface {
	// ListVolumes returns those of a project, or of all for "", by project and name.
	ListVolumes(ctx context.Context, project string) ([]wire.Volume, error)
	// ShowVolume finds one by name within its project or by id, with its history; ErrNotFound if there
	// is none.
	ShowVolume(ctx context.Context, ref inventory.Ref) (wire.Volume, error)
	// VolumeSnapshots returns a volume's snapshots, oldest first.
	VolumeSnapshots(ctx context.Context, id inventory.VolumeID) ([]inventory.VolumeSnapshot, error)
	// Volumes is ListVolumes without what takes a look at the pool.
	Volumes(ctx context.Context, project string) ([]inventory.Volume, error)
}

// ContainerReads find containers and what belongs to them.
type ContainerReads interface {
	// Containers returns at most q.Limit containers after q.After, by project and name.
	Containers(ctx context.Context, q ContainerQuery) ([]*inventory.Container, error)
	// History returns a container's revisions, newest first.
	History(ctx context.Context, id inventory.ContainerID) ([]inventory.Revision, error)
	// Snapshots returns a container's snapshots, oldest first.
	Snapshots(ctx context.Context, id inventory.ContainerID) ([]inventory.Snapshot, error)
}

// OperationReads find operations, changes and deadlines. IDs sort by time.
type OperationReads interface {
	// Operations and Changes return newest first, at most q.Limit of those before q.Before.
	Operations(ctx context.Context, q OperationQuery) ([]inventory.Operation, error)
	Operation(ctx context.Context, id inventory.OperationID) (inventory.Operation, error)
	Changes(ctx context.Context, q ChangeQuery) ([]inventory.Change, error)
	Change(ctx context.Context, id inventory.ChangeID) (inventory.Change, error)
	// Deadlines returns the soonest first.
	Deadlines(ctx context.Context, q DeadlineQuery) ([]inventory.Deadline, error)
}

// HostReads describe the host and what is on it beside containers.
type HostReads interface {
	Host(ctx context.Context) (wire.Host, error)
	// Strays are what on the host does not fit the inventory.
	Strays(ctx context.Context) ([]inventory.Stray, error)
	// Reservations are those of one network, or all for "".
	Reservations(ctx context.Context, network string) ([]inventory.AddressReservation, error)
	// DNSRecords are sorted by name, type and data.
	DNSRecords(ctx context.Context) ([]inventory.DNSRecord, error)
	// Affinities are sorted by application.
	Affinities(ctx context.Context) ([]wire.Affinity, error)
	Networks(ctx context.Context) ([]inventory.Network, error)
	Addresses(ctx context.Context, q AddressQuery) ([]inventory.Address, error)
	Pools(ctx context.Context) ([]wire.Pool, error)
	// Images returns newest first.
	Images(ctx context.Context) ([]inventory.Image, error)
	// Image finds one by alias or digest; ErrNotFound if there is none.
	Image(ctx context.Context, name string) (inventory.Image, error)
	// Remotes returns the servers images are pulled from, by name.
	Remotes(ctx context.Context) ([]inventory.Remote, error)
}

// EventReads read the outbox.
type EventReads interface {
	// Events returns at most limit events numbered above after, oldest first.
	Events(ctx context.Context, after int64, limit int) ([]inventory.Event, error)
	// LastEvent returns the number of the newest event, 0 when there is none.
	LastEvent(ctx context.Context) (int64, error)
	// AwaitEvent returns when there is an event numbered above after, or with ctx's error.
	AwaitEvent(ctx context.Context, after int64) error
}

// An Observer measures a container; it never blocks.
type Observer interface {
	Observe(c *inventory.Container) inventory.Observed
}

// Settings are the table and the values above the containers' own.
type Settings interface {
	Table() inventory.Settings
	DeviceTypes() inventory.DeviceTypes
	// Host returns what is set on the host.
	Host(ctx context.Context) (map[string]string, error)
	// Layers returns the layers above a container of the project: the project's, the host's.
	Layers(ctx context.Context, project string) ([]inventory.Layer, error)
}

// Sessions open and keep ways into containers. Open passes the gate itself.
type Sessions interface {
	Open(ctx context.Context, r gate.Request) (inventory.Session, error)
	// Attach connects to a session's holder: manager/session/stream frames both ways.
	Attach(ctx context.Context, id inventory.SessionID, readOnly bool) (net.Conn, error)
	// List returns the sessions q chooses, newest first.
	List(ctx context.Context, q inventory.SessionQuery) ([]inventory.Session, error)
	// End kills the session's processes.
	End(ctx context.Context, id inventory.SessionID) error
}

// Recordings are what sessions showed.
type Recordings interface {
	// Recording returns one as it is on the disk, sealed if it was sealed.
	Recording(ctx context.Context, id inventory.SessionID) (io.ReadCloser, error)
}

// Files reach into a container's root file system. They pass the gate themselves; Args are
// inventory.FileArgs.
type Files interface {
	ReadFile(ctx context.Context, r gate.Request) (inventory.FileInfo, io.ReadCloser, error)
	WriteFile(ctx context.Context, r gate.Request, content io.Reader) error
	ListFiles(ctx context.Context, r gate.Request) ([]inventory.FileInfo, error)
	DeleteFile(ctx context.Context, r gate.Request) error
}

// Console keeps what containers write to their consoles.
type Console interface {
	// ConsoleLog returns it from the oldest byte that is kept.
	ConsoleLog(ctx context.Context, c *inventory.Container) (io.ReadCloser, error)
}

// Proofs are what leaves the audit journal and can be checked without it.
type Proofs interface {
	// Export returns what writes the bundle.
	Export(ctx context.Context, from, to time.Time) (write func(io.Writer) error, err error)
	Prove(ctx context.Context, seq int64) ([]byte, error)
	Checkpoint(ctx context.Context) ([]byte, error)
	// Anchors says how far each place is where records and checkpoints go by themselves.
	Anchors(ctx context.Context) ([]wire.AuditAnchor, error)
}

// Evidence is what an auditor is told about a container.
type Evidence interface {
	// Evidence returns what writes the folder as a tar file; zero times are no bound.
	Evidence(ctx context.Context, ref inventory.Ref, from, to time.Time) (write func(io.Writer) error, err error)
}

// Journal is the audit journal.
type Journal interface {
	// Records returns the newest first, at most q.Limit.
	Records(ctx context.Context, q RecordQuery) ([]wire.AuditRecord, error)
	// RecordsAfter returns at most limit records numbered above after, oldest first. It waits for
	// one until ctx ends if there is none.
	RecordsAfter(ctx context.Context, after int64, limit int) ([]wire.AuditRecord, error)
	// Verify checks all of it.
	Verify(ctx context.Context) (wire.AuditReport, error)
	// Key is the public key its seals are checked with.
	Key() wire.AuditKey
}
