package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"lodge/inventory/store"
)

// Quotas from before stay, what containers count of the new ones is known, and leases act as leases.
func TestMigrateCountsForQuotas(t *testing.T) {
	files, later := fstest.MapFS{}, fstest.MapFS{}
	for _, path := range must[[]string](t)(filepath.Glob("../../migrations/sqlite/*.sql")) {
		name := filepath.Base(path)
		into := files
		if name >= "00022" {
			into = later
		}
		into[name] = &fstest.MapFile{Data: must[[]byte](t)(os.ReadFile(path))}
	}
	b := open(t)
	b.Close()
	b.path = filepath.Join(t.TempDir(), "before.db")
	migrate := func() {
		t.Helper()
		if err := store.Migrate(context.Background(), b.config(), files); err != nil {
			t.Fatal(err)
		}
	}
	migrate()
	container := func(n int, project, settings, nics string) string {
		return fmt.Sprintf(`INSERT INTO containers (id, host_id, name, project, lxc_name, owner, purpose, environment, data_class, ticket,
			image, image_digest, pool, settings, id_base, nics, intent, cpus_milli, memory_bytes, disk_bytes, revision, created_ns, updated_ns)
			VALUES ('c%[1]d', 'h', 'c%[1]d', '%[2]s', 'c%[1]d', '', '', 'dev', '', '', '', '', '', %[3]s, %[1]d, %[4]s, 'run', 0, 0, 0, 1, 0, 0)`, n, project, settings, nics)
	}
	for _, sql := range []string{
		`INSERT INTO hosts (id, name, machine_id, settings, settings_revision, created_ns) VALUES ('h', 'h', '', '{"security.nesting":"true"}', 1, 0)`,
		`INSERT INTO projects (name, purpose, owner, settings, network, image, revision, created_ns, updated_ns)
			VALUES ('shop', '', '', '{"security.nesting":"false"}', '', '', 1, 0, 0)`,
		container(1, "default", "NULL", `'[{"network":"n","name":"eth0","ipv4":"10.0.0.1"},{"network":"n","name":"eth1"}]'`),
		container(2, "shop", `'{"security.privileged":"true"}'`, "NULL"),
		container(3, "shop", `'{"security.nesting":"true"}'`, "'[]'"),
		"INSERT INTO quotas VALUES ('*', 'memory', 7)",
		`INSERT INTO deadlines (id, due_ns, verb, container_id, principal, missed, reason, outcome)
			VALUES ('d', 9, 'container.delete', 'c1', '{"name":"alice","kind":"person"}', 'run', '', '')`,
	} {
		if _, err := b.raw().Exec(sql); err != nil {
			t.Fatal(err, sql)
		}
	}
	for name, file := range later {
		files[name] = file
	}
	migrate()
	for query, want := range map[string]string{
		"SELECT group_concat(id || addresses || privileged || nested, ' ') FROM (SELECT * FROM containers ORDER BY id)": "c1101 c2010 c3001",
		"SELECT group_concat(scope || holder || name || max) FROM quotas":                                               "project*memory7",
		"SELECT (principal ->> 'name') || (principal ->> 'kind') FROM deadlines":                                        "leasesystem",
	} {
		var got string
		if err := b.raw().QueryRow(query).Scan(&got); err != nil || strings.TrimSpace(got) != want {
			t.Errorf("%s: %q, %v; want %q", query, got, err, want)
		}
	}
}
