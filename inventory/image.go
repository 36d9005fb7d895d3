package inventory

import (
	"strings"
	"time"
)

// An Image is a root file system to make containers from: immutable, known by its digest.
type Image struct {
	Digest       string // "sha256:" and 64 hex digits, over the canonical tar of the rootfs
	Aliases      []string
	OS           string // "debian"
	Release      string // "12"
	Architecture string // "amd64"
	Size         Bytes
	Source       string // "build debian/12", "import web.tar"
	Packages     []Package
	Build        string // the build record: recipe digest, archive state, tool versions; JSON
	Init         string // "systemd", "busybox", "openrc" ...; "" of images older than the record
	InitVersion  int    // of systemd: 252; 0 of others, or if unknown
	CloudInit    bool   // carries user data out at first boot
	CreatedAt    time.Time
	ExpiresAt    time.Time // zero: never
}

// A Package is one installed package.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch,omitempty"`
}

// CheckAlias reports whether s can name an image: one to three DNS labels or version numbers with
// slashes between, like debian/12.
func CheckAlias(s string) error {
	parts := strings.Split(s, "/")
	ok := len(s) > 0 && len(s) <= 128 && len(parts) <= 3
	for _, part := range parts {
		ok = ok && part != "" && part != "." && part != ".." && part[0] != '-' &&
			strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
	}
	if !ok {
		return Errorf(ErrInvalid, "%q can't name an image; write it like debian/12", s)
	}
	return nil
}

// A Snapshot is the state of a container's root file system at one instant, kept on the same pool.
type Snapshot struct {
	Container ContainerID
	Name      string
	Note      string
	Running   bool // taken while the container ran
	Pinned    bool
	Scheduled bool // taken by a schedule, and kept as its numbers say
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	// Config is the container as desired when it was taken.
	Config *Container
}

// SessionKind is how somebody got in.
type SessionKind string

const (
	SessionExec    SessionKind = "exec"
	SessionShell   SessionKind = "shell"
	SessionConsole SessionKind = "console"
	SessionSFTP    SessionKind = "sftp"
	SessionForward SessionKind = "forward" // connections to ports, or of a port that listens inside
	SessionSocket  SessionKind = "socket"  // the same of Unix sockets
	SessionAgent   SessionKind = "agent"   // questions to the caller's ssh-agent(1)
)

// Right is what it takes to be in a container in this way.
func (k SessionKind) Right() Right {
	switch k {
	case SessionConsole:
		return RightConsole
	case SessionSFTP:
		return RightFile
	case SessionForward:
		return RightForward
	case SessionSocket:
		return RightSocket
	case SessionAgent:
		return RightAgent
	}
	return RightSession
}

// A Session is one recorded exec, shell or console. Its holder process outlives the agent.
type Session struct {
	ID        SessionID
	Kind      SessionKind
	Container ContainerID
	Name      string
	Project   string
	Principal Principal
	Command   string // argv[0] only; the rest is in the recording
	TTY       bool
	HolderPID int
	StartedAt time.Time
	EndedAt   time.Time
	ExitCode  int    // of the command; 128+n for signal n
	Result    string // "exited", "signal", "holder lost"
}

// A Host is one machine that runs containers.
type Host struct {
	ID        HostID
	Name      string
	MachineID string
	CreatedAt time.Time
}
