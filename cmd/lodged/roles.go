package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/inventory/store"
)

// migrateMain brings the database of a root up to date and ends: what the agent does at its start
// anyway, for who wants to see it alone.
func migrateMain(args []string) int {
	return withConfig(args, func(ctx context.Context, cfg Config, log *slog.Logger) error {
		lock, err := lockRoot(cfg.Root)
		if err != nil {
			return err
		}
		defer lock.Close()
		s, err := store.Open(ctx, store.Config{Path: filepath.Join(cfg.Root, "lodge.db"), Log: log,
			Now: time.Now})
		if err != nil {
			return err
		}
		return s.Close()
	})
}

// checkMain checks what lies on a root without an agent: the journal above all.
func checkMain(args []string) int {
	return withConfig(args, func(ctx context.Context, cfg Config, log *slog.Logger) error {
		r, err := audit.Verify(journalDir(cfg.Root), audit.VerifyOptions{Recordings: recordingsDir(cfg.Root)})
		if err != nil {
			return err
		}
		fmt.Printf("audit journal: %s, %d records, key %s\n", r.Verdict, r.Records, r.Key)
		for _, p := range r.Problems {
			fmt.Println(" ", p)
		}
		if r.Verdict != audit.VerdictClean {
			return inventory.Errorf(inventory.ErrState, "the audit journal is %s", r.Verdict)
		}
		return nil
	})
}

func withConfig(args []string, f func(context.Context, Config, *slog.Logger) error) int {
	cfg, err := parseConfig(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lodged:", err)
		return inventory.ExitUsage
	}
	if err := f(context.Background(), cfg, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, "lodged:", err)
		return inventory.ExitFailure
	}
	return inventory.ExitOK
}
