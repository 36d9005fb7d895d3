package inventory

import "time"

// The parameters of verbs, as they travel from the doors through plans into operation rows. Field
// names are part of the API. Zero values mean "not given".

// CreateArgs are the parameters of container.create and container.launch.
type CreateArgs struct {
	Image       string            `json:"image,omitempty" doc:"Alias or digest of the image; the project's when empty." example:"debian/12"`
	Name        string            `json:"name,omitempty" doc:"A DNS label; made up when empty."`
	Project     string            `json:"project,omitempty" doc:"Project the container belongs to."`
	Owner       string            `json:"owner,omitempty" doc:"Who answers for it; the caller when empty."`
	Purpose     string            `json:"purpose" doc:"What it is for, in a sentence."`
	Environment string            `json:"environment,omitempty" doc:"prod, dr, staging, test or dev."`
	DataClass   string            `json:"data_class,omitempty" doc:"public, internal, confidential or restricted."`
	Labels      map[string]string `json:"labels,omitempty"`
	Settings    map[string]string `json:"settings,omitempty" doc:"Settings by name, cpus, memory and disk among them."`
	Network     string            `json:"network,omitempty" doc:"The project's when empty."`
	Pool        string            `json:"pool,omitempty" doc:"Where its root file system lives; the default pool when empty."`
	IP          string            `json:"ip,omitempty" doc:"An IPv4 address to hold; the next free one when empty."`
	After       []string          `json:"after,omitempty" doc:"Containers that have to be up first: NAME, or NAME:port=5432."`
	UserData    string            `json:"user_data,omitempty" doc:"A cloud-init user-data document."`
	SSHKeys     []string          `json:"ssh_keys,omitempty" doc:"Public keys for root, one per entry."`
	Expires     string            `json:"expires,omitempty" doc:"Until when its lease keeps it, a duration or a time; then it goes to the trash."`
	RunFor      string            `json:"run_for,omitempty" doc:"Until when its lease lets it run, a duration or a time; then it is stopped."`
	Devices     []Device          `json:"devices,omitempty" doc:"Devices it has from the start."`
}

// StopArgs are the parameters of container.stop and container.restart.
type StopArgs struct {
	Timeout string `json:"timeout,omitempty" doc:"How long init may take, 30s when empty."`
	Kill    bool   `json:"kill,omitempty" doc:"Kill it when the time is over."`
}

// RestoreArgs are the parameters of container.restore.
type RestoreArgs struct {
	Name string `json:"name,omitempty" doc:"Another name to come back under; the one it has when empty."`
	// Until is filled in by the plan: until when it is kept whose lease has ended.
	Until string `json:"until,omitempty" readOnly:"true"`
}

// LeaseArgs are the parameters of lease.set and lease.extend. What is empty stays; a lease.extend without
// any keeps the container for as long as the rules allow.
type LeaseArgs struct {
	RunUntil  string `json:"run_until,omitempty" doc:"A time, or a duration from now (extend: from the end there is); then it is stopped." example:"12h"`
	KeepUntil string `json:"keep_until,omitempty" doc:"The same; then it goes to the trash." example:"30d"`
}

// LeaseClearArgs are the parameters of lease.clear: which clocks go; both when neither is named.
type LeaseClearArgs struct {
	Run  bool `json:"run,omitempty"`
	Keep bool `json:"keep,omitempty"`
}

// PurgeArgs are the parameters of container.purge.
type PurgeArgs struct {
	// TrashedAt is when the container went to the trash, as the deadline of its purge knows it: one
	// that was restored and deleted again has another deadline.
	TrashedAt time.Time `json:"trashed_at,omitzero" hidden:"true"`
	// Direct purges a container that is not in the trash as well.
	Direct bool `json:"direct,omitempty" hidden:"true"`
}

// RenameArgs are the parameters of container.rename.
type RenameArgs struct {
	Name string `json:"name"`
}

// MoveProjectArgs are the parameters of container.move-project.
type MoveProjectArgs struct {
	Project string `json:"project" doc:"The project it is to belong to."`
}

// UpdateArgs are the parameters of container.update. A nil pointer leaves the field as it is.
type UpdateArgs struct {
	Owner       *string           `json:"owner,omitempty"`
	Purpose     *string           `json:"purpose,omitempty"`
	Environment *string           `json:"environment,omitempty"`
	DataClass   *string           `json:"data_class,omitempty"`
	Ticket      *string           `json:"ticket,omitempty"`
	Labels      map[string]string `json:"labels,omitempty" doc:"Labels to set."`
	Unlabel     []string          `json:"unlabel,omitempty" doc:"Labels to take away."`
	Settings    map[string]string `json:"settings,omitempty" doc:"Settings to set."`
	Unset       []string          `json:"unset,omitempty" doc:"Settings to take away."`
	After       *[]string         `json:"after,omitempty"`
	For         string            `json:"for,omitempty" doc:"Go back to the old values after this duration."`
	// While is how settings have to be set (empty: not set) for this to be done to them. It is how
	// the deadline of a change for a while lets be what somebody has changed since.
	While map[string]string `json:"while,omitempty" hidden:"true"`
}

// RevertArgs are the parameters of container.revert.
type RevertArgs struct {
	Revision int64 `json:"revision"`
}

// CloneArgs are the parameters of container.clone.
type CloneArgs struct {
	Name     string `json:"name"`
	Snapshot string `json:"snapshot,omitempty" doc:"Clone this snapshot instead of the present state."`
	Purpose  string `json:"purpose,omitempty"`
	Owner    string `json:"owner,omitempty"`
	Expires  string `json:"expires,omitempty" doc:"Until when its lease keeps it, a duration or a time."`
	// From is the id of the container whose data is copied; filled in by the plan.
	From ContainerID `json:"from,omitempty" readOnly:"true"`
}

// SnapshotArgs are the parameters of snapshot.create, snapshot.restore and snapshot.delete.
type SnapshotArgs struct {
	Name    string `json:"name,omitempty" doc:"A DNS label; snapshot.create makes one up when empty."`
	Note    string `json:"note,omitempty"`
	Pinned  bool   `json:"pinned,omitempty"`
	Expires string `json:"expires,omitempty"`
	// CreatedAt is when the snapshot that a deadline removes was taken: one of the same name that
	// was taken later is another.
	CreatedAt time.Time `json:"created_at,omitzero" hidden:"true"`
}

// BuildArgs are the parameters of image.build.
type BuildArgs struct {
	Recipe  string `json:"recipe" example:"debian/12"`
	Alias   string `json:"alias,omitempty"`
	Mirror  string `json:"mirror,omitempty" doc:"The archive to build from; the host's own when empty."`
	Expires string `json:"expires,omitempty"`
}

// ImportArgs are the parameters of image.import. Upload names a file the door has spooled below
// ROOT/run/uploads.
type ImportArgs struct {
	Alias   string `json:"alias"`
	Upload  string `json:"upload"`
	Source  string `json:"source,omitempty" doc:"The name of the file as the caller knows it."`
	Expires string `json:"expires,omitempty"`
	// MetadataBytes is how much of the upload, from its beginning, is the metadata archive of an
	// image in two files.
	MetadataBytes int64 `json:"metadata_bytes,omitempty"`
}

// ImportContainerArgs are the parameters of container.import: what is given counts, and what is not
// the export says. Upload and Source are as in ImportArgs.
type ImportContainerArgs struct {
	CreateArgs
	Upload string `json:"upload"`
	Source string `json:"source,omitempty"`
}

// PublishArgs are the parameters of image.publish.
type PublishArgs struct {
	Snapshot string `json:"snapshot,omitempty" doc:"Publish this snapshot instead of the stopped container."`
	Alias    string `json:"alias,omitempty" doc:"Name of the image; the container's when empty."`
	Expires  string `json:"expires,omitempty"`
	Force    bool   `json:"force,omitempty" doc:"Although the linter objects; what it found is kept with the image."`
}

// PullArgs are the parameters of image.pull.
type PullArgs struct {
	Remote  string `json:"remote" doc:"Name of the remote."`
	Image   string `json:"image" doc:"What the remote calls it." example:"debian/12"`
	Alias   string `json:"alias,omitempty" doc:"Name of the image here; REMOTE/IMAGE when empty."`
	Expires string `json:"expires,omitempty"`
}

// RemoteArgs are the parameters of image.remote.add and image.remote.remove.
type RemoteArgs struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty" doc:"The folder that has streams/v1/ below it."`
	Key  string `json:"key,omitempty" doc:"Armored OpenPGP key that its indexes have to be signed with."`
}

// ImageArgs are the parameters of image.delete and image.alias.
type ImageArgs struct {
	Image string `json:"image"`
	Alias string `json:"alias,omitempty"`
}

// SessionArgs are the parameters of container.exec, container.shell and container.console.
type SessionArgs struct {
	Command []string          `json:"command,omitempty"`
	User    string            `json:"user,omitempty" doc:"Name or number inside the container; root when empty."`
	Own     bool              `json:"own,omitempty" doc:"As the caller's own account, which is made where it is missing, instead of user."`
	Dir     string            `json:"dir,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	TTY     bool              `json:"tty,omitempty"`
	Stdin   bool              `json:"stdin,omitempty" doc:"Whether the caller will send input."`
	Columns int               `json:"columns,omitempty"`
	Rows    int               `json:"rows,omitempty"`
	Term    string            `json:"term,omitempty"`
	Modes   *string           `json:"modes,omitempty" doc:"Of the terminal, as NUMBER=VALUE,... by RFC 4254 8; what suits most when absent."`
	Script  bool              `json:"script,omitempty" doc:"The command is one line for the user's own shell."`
	// Attached sessions live with their client, as those of an SSH server do: when it leaves, terminal or
	// pipes close, and without a terminal the end waits until nobody holds the output open any more.
	Attached bool `json:"attached,omitempty" doc:"The session ends with its client."`
}

// ForwardSessionArgs are the parameters of container.forward, container.socket and container.agent: what is
// passed on for somebody.
type ForwardSessionArgs struct {
	To   string `json:"to"`             // "127.0.0.1:80" or "/run/app.sock", or "listen ..." for what listens inside
	User string `json:"user,omitempty"` // the account inside that opens a Unix socket
}

// FileArgs are the parameters of container.file.read, .write, .list and .delete.
type FileArgs struct {
	Path      string `json:"path"`
	Mode      string `json:"mode,omitempty" doc:"Octal permission bits, 0644 when empty."`
	UID       *int   `json:"uid,omitempty"`
	GID       *int   `json:"gid,omitempty"`
	Parents   bool   `json:"parents,omitempty" doc:"Make missing folders."`
	Directory bool   `json:"directory,omitempty" doc:"Make a folder instead of a file."`
}

// FileInfo describes one file inside a container, with ids as the container sees them.
type FileInfo struct {
	Name    string    `json:"name"`
	Type    string    `json:"type"` // file, directory, link, other
	Mode    string    `json:"mode"` // octal permission bits: 0644
	UID     int       `json:"uid"`
	GID     int       `json:"gid"`
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mtime"`
	Target  string    `json:"target,omitempty"` // of a link
}

// ConfigArgs are the parameters of config.set: host-wide settings.
type ConfigArgs struct {
	Settings map[string]string `json:"settings,omitempty"`
	Unset    []string          `json:"unset,omitempty"`
}

// ProjectArgs are the parameters of project.create and project.update. A nil pointer leaves the
// field as it is.
type ProjectArgs struct {
	Name     string            `json:"name,omitempty" doc:"A DNS label."`
	Purpose  *string           `json:"purpose,omitempty" doc:"What it is for, in a sentence."`
	Owner    *string           `json:"owner,omitempty" doc:"Who answers for it; the caller when a new one has none."`
	Network  *string           `json:"network,omitempty" doc:"What its containers are on that name none."`
	Image    *string           `json:"image,omitempty" doc:"What its containers are made from that name none."`
	Members  []Member          `json:"members,omitempty" doc:"Members to set, by principal."`
	Unmember []string          `json:"unmember,omitempty" doc:"Principals to take away."`
	Settings map[string]string `json:"settings,omitempty" doc:"Settings to set, inherited by its containers."`
	Unset    []string          `json:"unset,omitempty" doc:"Settings to take away."`
	// Revision is that of the project the plan was made for; filled in by the plan.
	Revision int64 `json:"revision,omitempty" readOnly:"true"`
}

// ProjectDeleteArgs are the parameters of project.delete.
type ProjectDeleteArgs struct {
	Name string `json:"name"`
}

// QuotaArgs are the parameters of quota.set. One of the first three is given.
type QuotaArgs struct {
	Project     string            `json:"project,omitempty" doc:"The project, or * for all of the host together."`
	Owner       string            `json:"owner,omitempty" doc:"A user or a group: what it owns, in all projects."`
	Environment string            `json:"environment,omitempty" doc:"prod, dr, staging, test or dev."`
	Quotas      map[string]string `json:"quotas,omitempty" doc:"Quotas to set: containers, cpus, memory, disk, addresses, privileged, nested."`
	Unset       []string          `json:"unset,omitempty" doc:"Quotas to take away."`
}

// Holder is whose quotas they are.
func (a QuotaArgs) Holder() QuotaHolder {
	return QuotaHolder{Project: a.Project, Owner: a.Owner, Environment: Environment(a.Environment)}
}

// DeviceArgs are the parameters of container.device.remove.
type DeviceArgs struct {
	Name string `json:"name"`
}

// VolumeArgs are the parameters of volume.create and volume.resize.
type VolumeArgs struct {
	Name    string `json:"name"`
	Project string `json:"project,omitempty"`
	Size    string `json:"size,omitempty" example:"10GiB" doc:"A bound on what it holds."`
	Owner   string `json:"owner,omitempty" doc:"Who answers for it; the caller when empty."`
	Purpose string `json:"purpose,omitempty" doc:"What it is for."`
	Backup  *bool  `json:"backup,omitempty" doc:"Whether backups of a container it is attached to hold it; true when absent."`
	Shared  bool   `json:"shared,omitempty" doc:"Let more than one container write to it at once."`
	Pool    string `json:"pool,omitempty" doc:"Where it lies; the default pool when empty."`
	// ID is filled in by the plan.
	ID VolumeID `json:"id,omitempty" readOnly:"true"`
}

// VolumeUpdateArgs are the parameters of volume.update. A nil pointer leaves the field as it is.
type VolumeUpdateArgs struct {
	Name    string  `json:"name,omitempty"`
	Project string  `json:"project,omitempty"`
	Owner   *string `json:"owner,omitempty" doc:"Who answers for it."`
	Purpose *string `json:"purpose,omitempty" doc:"What it is for."`
	Backup  *bool   `json:"backup,omitempty" doc:"Whether backups of a container it is attached to hold it."`
	Shared  *bool   `json:"shared,omitempty" doc:"Let more than one container write to it at once."`
	// ID is filled in by the plan.
	ID VolumeID `json:"id,omitempty" readOnly:"true"`
}

// AttachArgs are the parameters of volume.attach, volume.detach and volume.move.
type AttachArgs struct {
	Volume   string `json:"volume"`
	Path     string `json:"path,omitempty" doc:"Where it is inside the container; /mnt/VOLUME when empty."`
	ReadOnly bool   `json:"readonly,omitempty"`
	Device   string `json:"device,omitempty" doc:"Name of the device; the volume's when empty."`
	To       string `json:"to,omitempty" doc:"Of volume.move: the container that gets it."`
}

// VolumeSnapshotArgs are the parameters of volume.snapshot, volume.restore and volume.snapshot.delete.
type VolumeSnapshotArgs struct {
	Volume  string `json:"volume"`
	Project string `json:"project,omitempty"`
	Name    string `json:"name,omitempty" doc:"A DNS label; volume.snapshot makes one up when empty."`
	Note    string `json:"note,omitempty"`
}

// Boot is everything the runtime has to know to start a container.
type Boot struct {
	Container *Container
	Settings  map[string]string // effective, every container setting present
	Rootfs    string            // path of the root file system on the host
	Networks  map[string]Network
	Volumes   map[string]string // of the devices: the volume's name and its root folder on the host
	HostPaths []string          // folders of the host that devices may show something of
}
