// Command lodged is the host agent: it owns the containers of one machine. The same binary, run
// again with a role as its first argument, is the unprivileged process that answers DNS (net) or
// unpacks archives (scan).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // hours name time zones, which a small host need not have

	"lodge/inventory"
)

// version is set by the build: -ldflags "-X main.version=...".
var version = "dev"

// roles are the first arguments that make this binary something else than the agent.
var roles = map[string]func(args []string) int{
	"net":     netMain,
	"scan":    scanMain,
	"migrate": migrateMain,
	"check":   checkMain,
	"recover": recoverMain,
	"release": releaseMain,
	"version": func([]string) int { fmt.Println("lodged", version); return inventory.ExitOK },
}

func main() {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			os.Exit(role(os.Args[2:]))
		}
	}
	os.Exit(agentMain(os.Args[1:]))
}

// agentMain runs the agent in the foreground until SIGTERM or SIGINT. Containers and sessions
// stay.
func agentMain(args []string) int {
	cfg, err := parseConfig(args)
	if errors.Is(err, flag.ErrHelp) {
		return inventory.ExitOK
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lodged:", err)
		return inventory.ExitUsage
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.level()}))
	syscall.Umask(0o022) // that of a unit, whatever shell it was started from
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, cfg, log); err != nil {
		fmt.Fprintln(os.Stderr, "lodged:", err)
		return inventory.ExitFailure
	}
	return inventory.ExitOK
}

func run(ctx context.Context, cfg Config, log *slog.Logger) error {
	agent, err := Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer agent.Close()
	return agent.Serve(ctx)
}
