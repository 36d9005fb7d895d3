package store_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"lodge/inventory/store"
)

// migrations are the program's own.
func migrations(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, path := range must[[]string](t)(filepath.Glob("../../migrations/sqlite/*.sql")) {
		files[filepath.Base(path)] = &fstest.MapFile{Data: must[[]byte](t)(os.ReadFile(path))}
	}
	return files
}

// before makes a database by all migrations but the late ones; finish applies these.
func before(t *testing.T, late func(name string) bool) (b *bench, finish func()) {
	t.Helper()
	b = open(t)
	b.Close()
	b.path = filepath.Join(t.TempDir(), "before.db")
	migrate := func(files fstest.MapFS) {
		t.Helper()
		if err := store.Migrate(context.Background(), b.config(), files); err != nil {
			t.Fatal(err)
		}
	}
	all := migrations(t)
	early := maps.Clone(all)
	maps.DeleteFunc(early, func(name string, _ *fstest.MapFile) bool { return late(name) })
	migrate(early)
	return b, func() { t.Helper(); migrate(all) }
}

func TestMigrateKeepsCopies(t *testing.T) {
	b := open(t)
	b.made(b.container("web1"))
	b.Close()
	files := migrations(t) // and then more than it has
	for i, name := range []string{"00101_a.sql", "00102_b.sql", "00103_c.sql", "00104_d.sql"} {
		files[name] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE " + name[6:7] + " (x INTEGER) STRICT;\n")}
		b.later(time.Second)
		if err := store.Migrate(context.Background(), b.config(), files); err != nil {
			t.Fatal(name, err)
		}
		if got, want := len(copies(t, b.path)), min(i+1, 3); got != want {
			t.Errorf("after %s: %d copies, want %d", name, got, want)
		}
	}
	files["00105_e.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE e (x INTEGER) STRICT;\nINSERT INTO nowhere VALUES (1);\n")}
	if err := store.Migrate(context.Background(), b.config(), files); err == nil || !strings.Contains(err.Error(), "00105_e.sql") {
		t.Error(err)
	}
	var n int
	b.raw().QueryRow("SELECT (SELECT count(*) FROM sqlite_master WHERE name = 'e') + (SELECT max(version_id) FROM schema_versions)").Scan(&n)
	if n != 104 {
		t.Error("a failed migration left something:", n)
	}
	// The copies are whole databases of the schemas before, that of the failed attempt included.
	for i, name := range copies(t, b.path) {
		if !strings.Contains(name, fmt.Sprintf(".schema%d", 102+i)) {
			t.Error("copy", i, "is", name)
		}
		refused(t, name, "newer lodged")
	}
}

// Networks are made anew in their table, and their reservations stay although they go with a network.
func TestMigrateKeepsReservations(t *testing.T) {
	b, finish := before(t, func(name string) bool { return name >= "00031" })
	for _, sql := range []string{
		"INSERT INTO networks (name, bridge, ipv4, ipv6, mtu, nat, purpose) VALUES ('lab', 'lodge1', '10.9.0.1/24', '', 1400, 1, 'tests')",
		"INSERT INTO address_reservations VALUES ('lab', '10.9.0.7', '', '', 'printer', 'root', 5)",
	} {
		if _, err := b.raw().Exec("PRAGMA foreign_keys=on; " + sql); err != nil {
			t.Fatal(err)
		}
	}
	finish()
	var got string
	err := b.raw().QueryRow(`SELECT n.bridge || ' ' || n.mtu || ' ' || n.type || ' ' || n.purpose || ' ' || r.note
		FROM networks n JOIN address_reservations r ON r.network = n.name`).Scan(&got)
	if want := "lodge1 1400 managed tests printer"; got != want {
		t.Errorf("it is %q, %v; want %q", got, err, want)
	}
}

// A migration that landed after one with a higher number is applied all the same, after a copy.
func TestMigrateFillsGaps(t *testing.T) {
	b, finish := before(t, func(name string) bool { return name == "00004_pools.sql" })
	for range 2 { // the second time nothing is left to do
		finish()
		var tables int
		b.raw().QueryRow("SELECT count(*) FROM sqlite_master WHERE name = 'pools'").Scan(&tables)
		if got := len(copies(t, b.path)); tables != 1 || got != 1 {
			t.Errorf("%d tables of pools, %d copies", tables, got)
		}
	}
}

func copies(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(path + ".schema*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Quotas from before stay, what containers count of the new ones is known, and leases act as leases.
func TestMigrateCountsForQuotas(t *testing.T) {
	b, finish := before(t, func(name string) bool { return name >= "00022" })
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
	finish()
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
