package wire

import (
	"encoding/json"
	"time"

	"lodge/inventory"
)

// An Image is a root file system to make containers from.
type Image struct {
	Digest       string    `json:"digest"`
	Aliases      []string  `json:"aliases" nullable:"false"`
	OS           string    `json:"os"`
	Release      string    `json:"release"`
	Architecture string    `json:"architecture"`
	SizeBytes    int64     `json:"size_bytes"`
	Source       string    `json:"source"`
	PackageCount int       `json:"package_count"`
	Init         string    `json:"init,omitempty" doc:"What /sbin/init is: systemd, busybox, openrc, runit."`
	InitVersion  int       `json:"init_version,omitempty" doc:"Of systemd."`
	CloudInit    bool      `json:"cloud_init,omitempty" doc:"User data is carried out at first boot."`
	CreatedAt    time.Time `json:"created_at"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	// Packages and Build are long: lists leave them out.
	Packages []inventory.Package `json:"packages,omitempty" doc:"Not in lists."`
	Build    json.RawMessage     `json:"build,omitempty" doc:"The build record; not in lists."`
}

// A Remote is a server that images are pulled from.
type Remote struct {
	Name      string    `json:"name"`
	URL       string    `json:"url"`
	Signed    bool      `json:"signed" doc:"Its indexes have to be signed with a key that was given."`
	CreatedAt time.Time `json:"created_at"`
}

// FromRemote writes a remote.
func FromRemote(r inventory.Remote) Remote {
	return Remote{Name: r.Name, URL: r.URL, Signed: r.Key != "", CreatedAt: r.CreatedAt.UTC()}
}

// A Snapshot is the state of a container's root file system at one instant.
type Snapshot struct {
	Container inventory.ContainerID `json:"container"`
	Name      string                `json:"name"`
	Note      string                `json:"note,omitempty"`
	Running   bool                  `json:"running" doc:"Taken while the container ran."`
	Pinned    bool                  `json:"pinned"`
	Scheduled bool                  `json:"scheduled" doc:"Taken by the container's schedule; others are kept until somebody deletes them or they expire."`
	Kept      bool                  `json:"kept" doc:"False when the container's schedule removes it next."`
	Why       string                `json:"why,omitempty" doc:"Why one taken by schedule is kept, or not."`
	Revision  int64                 `json:"revision,omitempty" doc:"Of the container when it was taken."`
	CreatedAt time.Time             `json:"created_at"`
	ExpiresAt time.Time             `json:"expires_at,omitzero"`
}

// FromImage writes an image; full includes its packages and build record.
func FromImage(i inventory.Image, full bool) Image {
	w := Image{
		Digest: i.Digest, Aliases: list(i.Aliases), OS: i.OS, Release: i.Release, Architecture: i.Architecture,
		SizeBytes: int64(i.Size), Source: i.Source, PackageCount: len(i.Packages), CreatedAt: i.CreatedAt.UTC(),
		ExpiresAt: utc(i.ExpiresAt), Init: i.Init, InitVersion: i.InitVersion, CloudInit: i.CloudInit,
	}
	if full {
		w.Packages = i.Packages
		if json.Valid([]byte(i.Build)) {
			w.Build = json.RawMessage(i.Build)
		}
	}
	return w
}

// A Run is one time that a schedule was due.
type Run struct {
	Due       time.Time             `json:"due"`
	Began     time.Time             `json:"began,omitzero"`
	Ended     time.Time             `json:"ended,omitzero"`
	Outcome   string                `json:"outcome" doc:"waits, running, done, failed: why, skipped: why, or waits for approval."`
	Operation inventory.OperationID `json:"operation,omitempty"`
	Schedule  string                `json:"schedule" doc:"As it was then."`
}

// FromRun writes a run.
func FromRun(r inventory.Run) Run {
	return Run{Due: r.Due.UTC(), Began: utc(r.Began), Ended: utc(r.Ended), Outcome: r.Outcome, Operation: r.Operation, Schedule: r.Schedule}
}

// FromSnapshot writes a snapshot; fate is what its schedule makes of it, nil for one taken by hand.
func FromSnapshot(s inventory.Snapshot, fate *inventory.Fate) Snapshot {
	w := Snapshot{Container: s.Container, Name: s.Name, Note: s.Note, Running: s.Running, Pinned: s.Pinned, Scheduled: s.Scheduled, Kept: true,
		CreatedAt: s.CreatedAt.UTC(), ExpiresAt: utc(s.ExpiresAt)}
	if s.Config != nil {
		w.Revision = s.Config.Revision
	}
	if fate != nil {
		w.Kept, w.Why = fate.Kept, fate.Reason
	}
	return w
}
