package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"

	"lodge/inventory"
	"lodge/web/wire"
)

// A host is the machine as the checks see it. Tests give one with another root folder.
type host struct {
	root    string // "/"
	release string // of the kernel: 6.1.0-18-amd64
	isRoot  bool
	// run runs a program and returns what it printed.
	run func(name string, args ...string) (string, error)
	// space returns the size and the free bytes of the file system a path lies on.
	space func(path string) (total, free int64, err error)
	// agent asks the agent.
	agent func() (wire.Version, wire.Host, error)
	// strays asks the agent what does not fit its inventory.
	strays func() ([]inventory.Stray, error)
	// changes asks the agent which changes wait for somebody.
	changes func() ([]wire.Change, error)
	// anchors asks the agent where the audit journal goes.
	anchors func() ([]wire.AuditAnchor, error)
}

// path is where a path of the host lies for us.
func (h *host) path(p string) string { return filepath.Join(h.root, p) }

func (h *host) exists(p string) bool {
	_, err := os.Stat(h.path(p))
	return err == nil
}

// text returns a file without the white space around it, "" if it can't be read.
func (h *host) text(p string) string {
	raw, err := os.ReadFile(h.path(p))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// lines returns a file's lines.
func (h *host) lines(p string) []string {
	if t := h.text(p); t != "" {
		return strings.Split(t, "\n")
	}
	return nil
}

// program returns where a program is installed, "" if it is not.
func (h *host) program(name string) string {
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
		"/sbin", "/bin"} {
		if p := filepath.Join(dir, name); h.exists(p) {
			return p
		}
	}
	return ""
}

func (h *host) hasSystemd() bool { return h.exists("/run/systemd/system") } // sd_booted(3)

// A mount is one line of /proc/self/mounts (fstab(5)).
type mount struct{ source, point, kind, options string }

func (h *host) mounts() (all []mount) {
	for _, line := range h.lines("/proc/self/mounts") {
		if f := strings.Fields(line); len(f) >= 4 {
			all = append(all, mount{f[0], f[1], f[2], f[3]})
		}
	}
	return all
}

// A presence says how a part of the kernel is there.
type presence string

const (
	present  presence = "there"
	loadable presence = "a module that is not loaded yet"
	absent   presence = "missing"
	unknown  presence = "not to be told: the kernel shows neither modules nor its configuration"
)

// part looks for a part of the kernel: among what is loaded, in the lists depmod(8) keeps of what
// is built in and what can be loaded, and in the kernel's configuration.
func (h *host) part(module, option string) presence {
	if h.exists("/sys/module/" + module) {
		return present
	}
	modules := "/lib/modules/" + h.release + "/"
	if h.listed(modules+"modules.builtin", module) {
		return present
	}
	if h.listed(modules+"modules.dep", module) {
		if h.text("/proc/sys/kernel/modules_disabled") == "1" {
			return absent
		}
		return loadable
	}
	config := h.config()
	switch {
	case strings.Contains(config, "\n"+option+"=y\n"):
		return present
	case config == "" && !h.exists(modules+"modules.dep"):
		return unknown
	}
	return absent
}

// listed reports whether a list of paths holds the module; - and _ are the same in their names.
func (h *host) listed(file, module string) bool {
	for _, line := range h.lines(file) {
		p, _, _ := strings.Cut(line, ":")
		base, _, _ := strings.Cut(filepath.Base(p), ".ko")
		if strings.ReplaceAll(base, "-", "_") == module {
			return true
		}
	}
	return false
}

// config is the configuration the kernel was built with, "" if it is not shown.
func (h *host) config() string {
	if raw, err := os.ReadFile(h.path("/boot/config-" + h.release)); err == nil {
		return "\n" + string(raw)
	}
	raw, err := os.ReadFile(h.path("/proc/config.gz"))
	if err != nil {
		return ""
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return ""
	}
	return "\n" + string(text)
}

// load returns what loads modules that are not loaded; nil if there is nothing to do.
func (h *host) load(modules ...string) func() (string, error) {
	if len(modules) == 0 {
		return nil
	}
	return func() (string, error) {
		_, err := h.run("modprobe", append([]string{"-a"}, modules...)...)
		return "loaded " + strings.Join(modules, ", "), err
	}
}

// appendLine adds a line to a file of the host, which may lack its last newline.
func (h *host) appendLine(file, line string) error {
	f, err := os.OpenFile(h.path(file), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	old, err := io.ReadAll(bufio.NewReader(f))
	if err != nil {
		return err
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		line = "\n" + line
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		return err
	}
	return f.Sync()
}
