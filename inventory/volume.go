package inventory

import "time"

// A VolumeID names a volume for ever; its name may be given again after it is deleted.
type VolumeID string

// A Volume is a tree of files that outlives the containers it is attached to. Its files keep ids of
// their own (0 to 65535), which every container sees as it sees those of its root file system.
type Volume struct {
	ID       VolumeID
	HostID   HostID
	Name     string // a DNS label, unique within the project
	Project  string
	Pool     string
	Owner    string // the principal who answers for it
	Purpose  string
	Size     Bytes // a bound on what it holds
	Backup   bool  // whether backups of a container it is attached to hold it
	Shared   bool  // whether more than one container may write to it at once
	Revision int64 // grows by one with every change

	CreatedAt time.Time
	UpdatedAt time.Time
}

// Ref returns how a person names the volume.
func (v Volume) Ref() Ref { return Ref{Project: v.Project, Name: v.Name} }

// An Attachment is one stretch of time in which a container had a volume.
type Attachment struct {
	Volume    VolumeID
	Container ContainerID
	Name      string // of the container then
	Project   string
	Device    string
	Path      string // inside the container
	ReadOnly  bool
	Trashed   bool // the container lies in the trash now
	From      time.Time
	To        time.Time // zero: it still has it
}

// A VolumeSnapshot is the state of a volume at one instant, kept on the same pool.
type VolumeSnapshot struct {
	Volume    VolumeID
	Name      string
	Note      string
	CreatedAt time.Time
}

// CheckVolume checks what people say about a volume.
func CheckVolume(v Volume) error {
	if err := CheckName("the volume", v.Name); err != nil {
		return err
	}
	if v.Size <= 0 {
		return Errorf(ErrInvalid, "volume %s needs a size; give it like 10GiB", v.Name)
	}
	if v.Size < MiB {
		return Errorf(ErrInvalid, "volume %s can't have a size of %s; the least is 1MiB", v.Name, v.Size)
	}
	if len(v.Purpose) > 1000 || len(v.Owner) > 255 {
		return Errorf(ErrInvalid, "the purpose may have 1000 characters, the owner 255")
	}
	if err := CheckLine("the purpose", v.Purpose); err != nil {
		return err
	}
	return CheckLine("the owner", v.Owner)
}
