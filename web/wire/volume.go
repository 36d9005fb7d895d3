package wire

import (
	"time"

	"lodge/inventory"
)

// A Volume is a tree of files that outlives the containers it is attached to.
type Volume struct {
	ID        inventory.VolumeID `json:"id"`
	Name      string             `json:"name"`
	Project   string             `json:"project"`
	Pool      string             `json:"pool"`
	Owner     string             `json:"owner"`
	Purpose   string             `json:"purpose,omitempty"`
	SizeBytes int64              `json:"size_bytes" doc:"A bound on what it holds."`
	UsedBytes int64              `json:"used_bytes"`
	Backup    bool               `json:"backup" doc:"Whether backups of a container it is attached to hold it."`
	Shared    bool               `json:"shared" doc:"Whether more than one container may write to it at once."`
	Attached  []Attachment       `json:"attached" nullable:"false" doc:"Who has it, those in the trash too."`
	History   []Attachment       `json:"history,omitempty" doc:"Who has had it, newest first; not in lists."`
	Revision  int64              `json:"revision"`
	CreatedAt time.Time          `json:"created_at"`
	UpdatedAt time.Time          `json:"updated_at"`
}

// An Attachment is one stretch of time in which a container had a volume.
type Attachment struct {
	Container inventory.ContainerID `json:"container"`
	Name      string                `json:"name"`
	Project   string                `json:"project"`
	Device    string                `json:"device"`
	Path      string                `json:"path"`
	ReadOnly  bool                  `json:"readonly"`
	Trashed   bool                  `json:"trashed,omitempty" doc:"The container lies in the trash."`
	From      time.Time             `json:"from"`
	To        time.Time             `json:"to,omitzero" doc:"Absent while it has it."`
}

// A VolumeSnapshot is the state of a volume at one instant.
type VolumeSnapshot struct {
	Name      string    `json:"name"`
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// FromVolume writes a volume with what it holds and who has it.
func FromVolume(v inventory.Volume, used inventory.Bytes, attached, history []inventory.Attachment) Volume {
	return Volume{ID: v.ID, Name: v.Name, Project: v.Project, Pool: v.Pool, Owner: v.Owner, Purpose: v.Purpose,
		SizeBytes: int64(v.Size), UsedBytes: int64(used), Backup: v.Backup, Shared: v.Shared,
		Attached: fromAttachments(attached), History: fromAttachments(history), Revision: v.Revision,
		CreatedAt: v.CreatedAt.UTC(), UpdatedAt: v.UpdatedAt.UTC()}
}

func fromAttachments(all []inventory.Attachment) []Attachment {
	out := make([]Attachment, len(all))
	for i, a := range all {
		out[i] = Attachment{Container: a.Container, Name: a.Name, Project: a.Project, Device: a.Device, Path: a.Path,
			ReadOnly: a.ReadOnly, Trashed: a.Trashed, From: a.From.UTC(), To: utc(a.To)}
	}
	return out
}

// FromVolumeSnapshot writes a snapshot of a volume.
func FromVolumeSnapshot(s inventory.VolumeSnapshot) VolumeSnapshot {
	return VolumeSnapshot{Name: s.Name, Note: s.Note, CreatedAt: s.CreatedAt.UTC()}
}
