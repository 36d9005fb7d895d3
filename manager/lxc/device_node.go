package lxc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// charKind and blockKind are device nodes of the host. Whoever may open one talks to the driver itself:
// what it can do is up to that, so both are a high risk and take the right to give host paths.
var (
	charKind  = nodeKind("unix-char", unix.S_IFCHR, "A character device of the host, such as a serial line.")
	blockKind = nodeKind("unix-block", unix.S_IFBLK, "A block device of the host, raw: who may write to it, may write to all that lies on it.")
)

// nodeDir holds the nodes containers are given: each like the host's, but owned by the container's root.
// It is on devtmpfs, where nodes work and which is empty after a boot, and only root can enter it.
const nodeDir = "/dev/lodge"

func nodeKind(name string, format uint32, doc string) deviceKind {
	return nodesKind(inventory.DeviceType{Name: name, Required: []string{inventory.PropertySource}, Rule: checkNode,
		Doc: doc, Properties: []inventory.Setting{
			{Name: inventory.PropertySource, Type: inventory.TypeText, Risk: inventory.RiskHigh,
				Doc: "The device on the host: a path like /dev/ttyS0, or its number like 4:64."},
			{Name: inventory.PropertyPath, Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "Where it is inside, below /dev; as on the host when left out."},
			{Name: inventory.PropertyReadOnly, Type: inventory.TypeBool, Default: "false", Risk: inventory.RiskLow,
				Doc: "Let the container read only; the kernel's device rule holds it to that."},
			modeProperty}},
		func(d inventory.Device) ([]node, error) {
			n, err := findNode(d, format)
			return []node{n}, err
		})
}

var modeProperty = inventory.Setting{Name: "mode", Type: inventory.TypeText, Default: "0660", Risk: inventory.RiskLow,
	Doc: "Octal permission bits of the node, which belongs to the container's root."}

// nodesKind makes a kind of devices that are nodes of the host, found anew each time: their numbers change.
func nodesKind(row inventory.DeviceType, find func(inventory.Device) ([]node, error)) deviceKind {
	row.Effect, row.Risk = inventory.EffectLive, inventory.RiskHigh
	return deviceKind{
		row: row,
		usable: func(d inventory.Device) error {
			nodes, err := find(d)
			for _, n := range nodes {
				err = errors.Join(err, n.unused(d))
			}
			return err
		},
		mounts: func(b inventory.Boot, d inventory.Device, _ []string) (all []mounts.Mount, err error) {
			nodes, err := find(d)
			for _, n := range nodes {
				source, failed := n.copyFor(b, d)
				err = errors.Join(err, failed)
				all = append(all, mounts.Mount{Device: d.Name, Kind: mounts.Node, Target: n.path, Source: source})
			}
			return all, err
		},
		configure: func(s setup, doc *document, d inventory.Device) {
			nodes, err := find(d)
			doc.err = errors.Join(doc.err, err)
			key := "lxc.cgroup2.devices.allow"
			if s.host.cgroups.isV1("devices") {
				key = "lxc.cgroup.devices.allow"
			}
			for _, n := range nodes {
				doc.set(key, n.rule(d))
			}
		},
		attach: func(ctx context.Context, r *Runtime, c run, _ inventory.Boot, d inventory.Device) error {
			nodes, err := find(d)
			for _, n := range nodes {
				err = errors.Join(err, r.ruleNode(ctx, c, d, n, "devices.allow"))
			}
			return err
		},
		detach: func(ctx context.Context, r *Runtime, c run, b inventory.Boot, d inventory.Device) error {
			nodes, err := find(d)
			for _, n := range nodes {
				err = errors.Join(err, r.ruleNode(ctx, c, d, n, "devices.deny"), removeFile(n.copy(b, d)))
			}
			return err
		},
	}
}

func checkNode(d inventory.Device) error {
	if err := checkMode(d); err != nil {
		return err
	}
	source, path := d.HostPath(), nodePath(d)
	if _, _, isNumber := nodeNumber(source); !isNumber && (inventory.CheckHostPath(source) != nil || !strings.HasPrefix(source, "/dev/")) {
		return inventory.Errorf(inventory.ErrInvalid, "device %s: %q is neither a path below /dev nor a number like 4:64", d.Name, source)
	}
	if inventory.CheckHostPath(path) != nil || !strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/dev/.lxc") {
		return inventory.Errorf(inventory.ErrInvalid,
			"device %s: inside it has to be below /dev, not at %q; say where with path=/dev/NAME", d.Name, path)
	}
	return nil
}

func checkMode(d inventory.Device) error {
	if mode, err := strconv.ParseUint(d.Properties["mode"], 8, 32); err != nil || mode > 0o666 {
		return inventory.Errorf(inventory.ErrInvalid, "device %s: mode %q is none of 0000 to 0666", d.Name, d.Properties["mode"])
	}
	return nil
}

// nodePath is where the node is inside.
func nodePath(d inventory.Device) string {
	if path := d.Properties[inventory.PropertyPath]; path != "" {
		return path
	}
	return d.HostPath()
}

// nodeNumber reads "4:64".
func nodeNumber(text string) (major, minor uint32, ok bool) {
	a, b, found := strings.Cut(text, ":")
	x, err := strconv.ParseUint(a, 10, 12) // MAJOR and MINOR of include/linux/kdev_t.h have 12 and 20 bits
	y, err2 := strconv.ParseUint(b, 10, 20)
	return uint32(x), uint32(y), found && err == nil && err2 == nil
}

// A node is a device of the host as the kernel knows it.
type node struct {
	number
	path string // inside
}

// A number is what the kernel knows a device by.
type number struct {
	format       uint32 // S_IFCHR or S_IFBLK
	major, minor uint32
}

// forbiddenNodes are memory and I/O ports of the host (devices.txt, major 1): who has one has the host.
var forbiddenNodes = map[number]string{
	{unix.S_IFCHR, 1, 1}: "/dev/mem", {unix.S_IFCHR, 1, 2}: "/dev/kmem", {unix.S_IFCHR, 1, 4}: "/dev/port",
	{unix.S_IFCHR, 1, 11}: "/dev/kmsg",
}

// findNode looks at the device on the host. A link at the end of its path is not followed.
func findNode(d inventory.Device, format uint32) (node, error) {
	source := d.HostPath()
	n := node{number{format: format}, nodePath(d)}
	if major, minor, ok := nodeNumber(source); ok {
		n.major, n.minor = major, minor
		if err := n.allowed(d); err != nil {
			return n, err
		}
		kind := map[uint32]string{unix.S_IFCHR: "char", unix.S_IFBLK: "block"}[format]
		if !isThere(filepath.Join("/sys/dev", kind, source)) {
			return n, inventory.Errorf(inventory.ErrNotFound, "device %s: the host has no %s device %s", d.Name, kind, source)
		}
	} else {
		var st unix.Stat_t
		if err := unix.Lstat(source, &st); err != nil {
			return n, inventory.Errorf(inventory.ErrNotFound, "device %s: there is no %s on the host", d.Name, source)
		}
		if st.Mode&unix.S_IFMT != format {
			return n, inventory.Errorf(inventory.ErrInvalid, "device %s: %s is no device of type %s", d.Name, source, d.Type)
		}
		n.major, n.minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
	}
	return n, n.allowed(d)
}

func (n node) allowed(d inventory.Device) error {
	if name, no := forbiddenNodes[n.number]; no {
		return inventory.Errorf(inventory.ErrDenied, "device %s: %s is the host itself, and for no container", d.Name, name)
	}
	return nil
}

// rule is the cgroup's rule about the node (cgroup-v1/devices.rst; liblxc makes BPF of it on v2).
func (n node) rule(d inventory.Device) string {
	letter, access := "c", "rw"
	if n.format == unix.S_IFBLK {
		letter = "b"
	}
	if d.IsReadOnly() {
		access = "r"
	}
	return fmt.Sprintf("%s %d:%d %s", letter, n.major, n.minor, access)
}

// copy is the path of the container's own node.
func (n node) copy(b inventory.Boot, d inventory.Device) string {
	return filepath.Join(nodeDir, string(b.Container.ID), d.Name+"-"+filepath.Base(n.path))
}

// copyFor makes the container's own node of the device, unless it is there: what is mounted is known again
// by its inode.
func (n node) copyFor(b inventory.Boot, d inventory.Device) (string, error) {
	path := n.copy(b, d)
	owner := int(b.Container.IDBase)
	if b.Settings[settingPrivileged] == "true" {
		owner = 0
	}
	mode, _ := strconv.ParseUint(d.Properties["mode"], 8, 32) // checkNode has
	want := unix.Stat_t{Mode: n.format | uint32(mode), Uid: uint32(owner), Rdev: unix.Mkdev(n.major, n.minor)}
	var have unix.Stat_t
	if unix.Lstat(path, &have) == nil && have.Mode == want.Mode && have.Uid == want.Uid && have.Rdev == want.Rdev {
		return path, nil
	}
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), removeFile(path))
	if err == nil {
		err = unix.Mknod(path, want.Mode, int(want.Rdev))
	}
	if err == nil {
		err = errors.Join(os.Chown(path, owner, owner), unix.Chmod(path, uint32(mode)))
	}
	if err != nil {
		return "", inventory.Errorf(inventory.ErrUnavailable, "device %s: its node can't be made: %v", d.Name, err)
	}
	return path, nil
}

// forgetNodes removes the nodes made for a container that goes away.
func forgetNodes(id inventory.ContainerID) { os.RemoveAll(filepath.Join(nodeDir, string(id))) }

// ruleNode changes the device rules of a running container. On v1 what is allowed has to be said to each
// cgroup inside, and what is denied goes down by itself; on v2 liblxc's monitor has the program.
func (r *Runtime) ruleNode(ctx context.Context, c run, d inventory.Device, n node, file string) error {
	rule := n.rule(d)
	if file == "devices.deny" {
		rule = rule[:strings.LastIndex(rule, " ")] + " rw" // nodes may be made, not opened
	}
	if !c.payload.layout.isV1("devices") {
		out, err := exec.CommandContext(ctx, "lxc-cgroup", "-P", r.lxcpath, "-n", c.name, file, rule).CombinedOutput()
		if err != nil {
			return inventory.Errorf(inventory.ErrUnavailable, "device %s: %s: %s", d.Name, err, out)
		}
		return nil
	}
	tree, err := cgroupTree(c.payload.dir("devices"))
	if file == "devices.deny" && len(tree) > 1 {
		tree = tree[:1]
	}
	for _, dir := range tree {
		err = errors.Join(err, writeCgroup(filepath.Join(dir, file), rule))
	}
	return err
}
