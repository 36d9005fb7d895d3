package store

import (
	"cmp"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// containerRow is one row of containers: what lists, checks and quotas ask for in columns of its
// own, the rest as documents.
type containerRow struct {
	ID          string `gorm:"primaryKey"`
	HostID      string
	Name        string
	Project     string
	LXCName     string `gorm:"column:lxc_name"`
	Owner       string
	Purpose     string
	Environment string
	DataClass   string
	Labels      document[map[string]string]
	Ticket      string
	Image       string
	ImageDigest string
	Pool        string
	Settings    document[map[string]string]
	IDBase      uint32                  `gorm:"column:id_base"`
	NICs        document[[]nicDocument] `gorm:"column:nics"`
	StartAfter  document[[]string]
	Intent      string
	CPUsMilli   int64 `gorm:"column:cpus_milli"`
	MemoryBytes int64
	DiskBytes   int64
	Revision    int64
	CreatedNs   int64
	UpdatedNs   int64
	ExpiresNs   *int64
	TrashedNs   *int64
	Devices     document[[]inventory.Device]
	Addresses   int64 // interfaces with an IPv4 address
	Privileged  bool
	Nested      bool
	RunUntilNs  *int64
}

func (containerRow) TableName() string { return "containers" }

func newContainerRow(c *inventory.Container, r gate.Reservation) containerRow {
	return containerRow{
		ID: string(c.ID), HostID: string(c.HostID), Name: c.Name, Project: projectOf(c.Project),
		LXCName: c.LXCName(), Owner: c.Owner, Purpose: c.Purpose, Environment: string(c.Environment),
		DataClass: c.DataClass, Labels: doc(c.Labels), Ticket: c.Ticket, Image: c.Image,
		ImageDigest: c.ImageDigest, Pool: c.Pool, Settings: doc(c.Settings), IDBase: c.IDBase,
		NICs: doc(nicDocuments(c.NICs)), StartAfter: doc(c.After),
		Intent:    string(cmp.Or(c.Intent, inventory.IntentStop)),
		CPUsMilli: milli(r.CPUs), MemoryBytes: int64(r.Memory), DiskBytes: int64(r.Disk),
		Revision: c.Revision, CreatedNs: nanos(c.CreatedAt), UpdatedNs: nanos(c.UpdatedAt),
		ExpiresNs: nanosOrNull(c.ExpiresAt), TrashedNs: nanosOrNull(c.TrashedAt), Devices: doc(c.Devices),
		Addresses: addressesOf(c.NICs), Privileged: r.Privileged, Nested: r.Nested,
		RunUntilNs: nanosOrNull(c.RunUntil),
	}
}

func (r containerRow) container() *inventory.Container {
	return &inventory.Container{
		ID: inventory.ContainerID(r.ID), HostID: inventory.HostID(r.HostID), Name: r.Name,
		Project: r.Project, Owner: r.Owner, Purpose: r.Purpose,
		Environment: inventory.Environment(r.Environment), DataClass: r.DataClass,
		Labels: r.Labels.V, Ticket: r.Ticket, Image: r.Image, ImageDigest: r.ImageDigest,
		Pool: r.Pool, Settings: r.Settings.V, IDBase: r.IDBase, NICs: nicsFrom(r.NICs.V),
		After: r.StartAfter.V, Intent: inventory.Intent(r.Intent), Revision: r.Revision,
		CreatedAt: instant(r.CreatedNs), UpdatedAt: instant(r.UpdatedNs),
		ExpiresAt: instantOrZero(r.ExpiresNs), TrashedAt: instantOrZero(r.TrashedNs), Devices: r.Devices.V,
		RunUntil: instantOrZero(r.RunUntilNs),
	}
}

func (r containerRow) reservation() gate.Reservation {
	return gate.Reservation{CPUs: float64(r.CPUsMilli) / 1000,
		Memory: inventory.Bytes(r.MemoryBytes), Disk: inventory.Bytes(r.DiskBytes),
		Privileged: r.Privileged, Nested: r.Nested}
}

// reserve makes the row count r.
func (r *containerRow) reserve(next gate.Reservation) {
	r.CPUsMilli, r.MemoryBytes, r.DiskBytes = milli(next.CPUs), int64(next.Memory), int64(next.Disk)
	r.Privileged, r.Nested = next.Privileged, next.Nested
}

func addressesOf(nics []inventory.NIC) (n int64) {
	for _, nic := range nics {
		if nic.IPv4.IsValid() {
			n++
		}
	}
	return n
}

// milli turns CPUs into thousandths, the unit reservations are summed in: exact, unlike floats.
func milli(cpus float64) int64 { return int64(cpus*1000 + 0.5) }

func projectOf(name string) string { return cmp.Or(name, inventory.DefaultProject) }

// containerDocument is a container as kept in history, operations and snapshots. Its field names
// are written to disk: they may grow, never change.
type containerDocument struct {
	ID          string             `json:"id"`
	HostID      string             `json:"host_id"`
	Name        string             `json:"name"`
	Project     string             `json:"project"`
	Owner       string             `json:"owner,omitempty"`
	Purpose     string             `json:"purpose,omitempty"`
	Environment string             `json:"environment,omitempty"`
	DataClass   string             `json:"data_class,omitempty"`
	Labels      map[string]string  `json:"labels,omitempty"`
	Ticket      string             `json:"ticket,omitempty"`
	Image       string             `json:"image,omitempty"`
	ImageDigest string             `json:"image_digest,omitempty"`
	Pool        string             `json:"pool,omitempty"`
	Settings    map[string]string  `json:"settings,omitempty"`
	IDBase      uint32             `json:"id_base,omitempty"`
	NICs        []nicDocument      `json:"nics,omitempty"`
	Devices     []inventory.Device `json:"devices,omitempty"`
	After       []string           `json:"after,omitempty"`
	Intent      string             `json:"intent,omitempty"`
	ExpiresAt   time.Time          `json:"expires_at,omitzero"`
	RunUntil    time.Time          `json:"run_until,omitzero"`
	Revision    int64              `json:"revision"`
	CreatedAt   time.Time          `json:"created_at,omitzero"`
	UpdatedAt   time.Time          `json:"updated_at,omitzero"`
	TrashedAt   time.Time          `json:"trashed_at,omitzero"`
}

func newContainerDocument(c *inventory.Container) *containerDocument {
	if c == nil {
		return nil
	}
	return &containerDocument{
		ID: string(c.ID), HostID: string(c.HostID), Name: c.Name, Project: projectOf(c.Project),
		Owner: c.Owner, Purpose: c.Purpose, Environment: string(c.Environment),
		DataClass: c.DataClass, Labels: c.Labels, Ticket: c.Ticket, Image: c.Image,
		ImageDigest: c.ImageDigest, Pool: c.Pool, Settings: c.Settings, IDBase: c.IDBase,
		NICs: nicDocuments(c.NICs), Devices: c.Devices, After: c.After, Intent: string(c.Intent),
		Revision: c.Revision, ExpiresAt: c.ExpiresAt.UTC(), CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
		TrashedAt: c.TrashedAt.UTC(), RunUntil: c.RunUntil.UTC(),
	}
}

func (d *containerDocument) container() *inventory.Container {
	if d == nil {
		return nil
	}
	return &inventory.Container{
		ID: inventory.ContainerID(d.ID), HostID: inventory.HostID(d.HostID), Name: d.Name,
		Project: d.Project, Owner: d.Owner, Purpose: d.Purpose,
		Environment: inventory.Environment(d.Environment), DataClass: d.DataClass,
		Labels: d.Labels, Ticket: d.Ticket, Image: d.Image, ImageDigest: d.ImageDigest,
		Pool: d.Pool, Settings: d.Settings, IDBase: d.IDBase, NICs: nicsFrom(d.NICs),
		Devices: d.Devices, After: d.After, Intent: inventory.Intent(d.Intent), Revision: d.Revision,
		ExpiresAt: d.ExpiresAt, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
		TrashedAt: d.TrashedAt, RunUntil: d.RunUntil,
	}
}
