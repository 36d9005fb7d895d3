package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"lodge/inventory"
)

const (
	defaultRoot   = "/var/lib/lodge"
	runFolder     = "/run/lodge"
	defaultSocket = runFolder + "/lodge.sock"
	defaultConfig = "/etc/lodge/lodged.yaml"
)

// Config is what the agent is told at its start; everything else is a setting.
type Config struct {
	Root   string `yaml:"root"`
	Socket string `yaml:"socket"`
	// Claims is where agents side by side note which bridge, subnet and id range is whose.
	Claims string `yaml:"claims"`
	// Helper is the path of lodge-lxc; beside the agent's own binary when empty.
	Helper string `yaml:"helper"`
	// PoolSize is that of the pool's file when it is first made; a share of the free disk when empty.
	PoolSize string `yaml:"pool_size"`
	// PoolDir is a folder to use as the pool: with the driver btrfs one on a btrfs, instead of a file.
	PoolDir string `yaml:"pool_dir"`
	// PoolDriver is that of the first pool: btrfs, or dir, which works on any file system.
	PoolDriver string `yaml:"pool_driver"`
	Debug      bool   `yaml:"debug"`
}

// parseConfig reads flags over the file over defaults. A missing file is no error unless it was
// named.
func parseConfig(args []string) (Config, error) {
	cfg := Config{}
	flags := flag.NewFlagSet("lodged", flag.ContinueOnError)
	file := flags.String("config", "", "configuration file (default "+defaultConfig+", if it exists)")
	root := flags.String("root", "", "folder of everything the agent keeps (default "+defaultRoot+")")
	socket := flags.String("socket", "",
		"socket of the API (default "+defaultSocket+", or ROOT/lodge.sock with another root)")
	size := flags.String("pool-size", "", "size of the pool's file when it is first made")
	debug := flags.Bool("debug", false, "log more")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	if flags.NArg() > 0 {
		return cfg, fmt.Errorf("%q is neither a flag nor a role", flags.Arg(0))
	}
	if err := cfg.read(*file); err != nil {
		return cfg, err
	}
	for _, f := range []struct{ to, from *string }{{&cfg.Root, root}, {&cfg.Socket, socket},
		{&cfg.PoolSize, size}} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	cfg.Debug = cfg.Debug || *debug
	return cfg, cfg.complete()
}

func (cfg *Config) read(file string) error {
	named := file != ""
	if !named {
		file = defaultConfig
	}
	raw, err := os.ReadFile(file)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(cfg); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (cfg *Config) complete() error {
	if cfg.Root == "" {
		cfg.Root = defaultRoot
	}
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return err
	}
	cfg.Root = root
	if cfg.Socket == "" {
		cfg.Socket = defaultSocket
		if cfg.Root != defaultRoot {
			cfg.Socket = filepath.Join(cfg.Root, "lodge.sock")
		}
	}
	if cfg.Claims == "" {
		cfg.Claims = runFolder + "/claims"
	}
	if cfg.PoolDriver == "" {
		cfg.PoolDriver = "btrfs"
	}
	if cfg.PoolDriver != "btrfs" && cfg.PoolDriver != "dir" {
		return inventory.Errorf(inventory.ErrInvalid, "pool_driver is %q; it can be btrfs or dir", cfg.PoolDriver)
	}
	if cfg.PoolSize != "" {
		if _, err := inventory.ParseBytes(cfg.PoolSize); err != nil {
			return err
		}
	}
	if cfg.Helper == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		cfg.Helper = filepath.Join(filepath.Dir(self), "lodge-lxc")
	}
	return nil
}

// isHosts reports whether this is the agent everybody on the host speaks to, unlike one of a test or of
// another root beside it.
func (cfg *Config) isHosts() bool { return cfg.Socket == defaultSocket }

func (cfg *Config) level() slog.Level {
	if cfg.Debug {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
