package store

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"lodge/inventory"
)

// A copied table comes back after the database is lost, from the copies that lie beside the data.
type copied struct {
	table string
	// of is the condition that selects one container's rows; "" for a table of the host's copy.
	of string
	// without is a column whose values mean nothing in another database.
	without string
}

// copies are the tables that are copied, in the order in which foreign keys let their rows be put
// back. What is in no copy is either evidence the audit journal has too, or over by then.
var copies = []copied{
	{table: "meta"},
	{table: "hosts"},
	{table: "networks"},
	{table: "pools"},
	{table: "address_reservations"},
	{table: "projects"},
	{table: "quotas"},
	{table: "images"},
	{table: "image_aliases"},
	{table: "image_remotes"},
	{table: "volumes"},
	{table: "volume_snapshots"},
	{table: "affinities"},
	{table: "dns_records"},
	{table: "firewall_rules"},
	{table: "forwards"},
	{table: "windows"},
	{table: "policy_versions"},
	{table: "policy_expectations"},
	{table: "accounts"},
	{table: "users"},
	{table: "user_uids"},
	{table: "user_keys"},
	{table: "user_groups"},
	{table: "role_bindings"},
	{table: "tokens"},
	{table: "secrets"},
	{table: "ssh_certificates"},
	{table: "ssh_revoked_keys"},
	{table: "ssh_authorities"},
	{table: "unix_uids"},
	{table: "containers", of: "id = ?"},
	{table: "container_revisions", of: "container_id = ?"},
	{table: "addresses", of: "container_id = ?", without: "id"},
	{table: "volume_attachments", of: "container_id = ?", without: "id"},
	{table: "lease_warnings", of: "container_id = ?"},
	{table: "unix_accounts", of: "container_id = ?"},
	{table: "sudo_grants", of: "container_id = ?"},
	{table: "snapshots", of: "container_id = ?"},
	{table: "deadlines", of: "container_id = ? AND done_ns IS NULL"},
}

// notCopied are the tables recovery leaves empty.
var notCopied = []string{"audit_cursor", "audit_records", "audit_spans", "audit_terms", "audit_uses",
	"operations", "operation_keys", "changes", "events", "sessions"}

// CopyHost reads everything that belongs to no container.
func (s *Store) CopyHost(ctx context.Context) (inventory.Copy, error) {
	return s.copyOf(ctx, func(c copied) (string, []any, bool) { return "", nil, c.of == "" })
}

// CopyContainer reads everything that belongs to one container, in the trash too. The copy of one
// that is gone has no tables.
func (s *Store) CopyContainer(ctx context.Context, id inventory.ContainerID) (inventory.Copy, error) {
	c, err := s.copyOf(ctx, func(c copied) (string, []any, bool) {
		return c.of, []any{string(id)}, c.of != ""
	})
	if err == nil && len(c.Tables["containers"]) == 0 {
		c.Tables = nil
	}
	return c, err
}

// copyOf reads the selected tables as they are at one instant.
func (s *Store) copyOf(ctx context.Context,
	choose func(copied) (where string, args []any, ok bool)) (inventory.Copy, error) {
	out := inventory.Copy{Tables: map[string][]map[string]any{}}
	ctx, db, err := s.read(ctx)
	if err != nil {
		return out, err
	}
	err = db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := readHeader(tx, &out); err != nil {
			return err
		}
		for _, c := range copies {
			where, args, ok := choose(c)
			if !ok {
				continue
			}
			var rows []map[string]any
			find := tx.Table(c.table)
			if where != "" {
				find = find.Where(where, args...)
			}
			if err := find.Find(&rows).Error; err != nil {
				return err
			}
			for _, row := range rows {
				delete(row, c.without)
			}
			out.Tables[c.table] = rows
		}
		return nil
	}, &sql.TxOptions{ReadOnly: true})
	return out, explain(s.path, err)
}

func readHeader(tx *gorm.DB, c *inventory.Copy) (err error) {
	if c.Schema, err = schemaOf(tx); err != nil {
		return err
	}
	return tx.Raw("SELECT coalesce(max(seq), 0) FROM events").Scan(&c.Event).Error
}

func schemaOf(db *gorm.DB) (version int64, err error) {
	err = db.Raw("SELECT max(version_id) FROM " + versionTable + " WHERE is_applied = 1").
		Scan(&version).Error
	return version, err
}
