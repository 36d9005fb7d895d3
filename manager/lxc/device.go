package lxc

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// A deviceKind is how devices of one type reach a container. What they show in its file system is
// mounted by one call of lodge-lxc, by the hook of a boot or by Attach: so both give the same.
type deviceKind struct {
	row inventory.DeviceType
	// usable says whether the host can give it now; it may be taken away all the same. Nil: yes.
	usable func(d inventory.Device) error
	// mounts are what the device shows in the container's file system. Nil: nothing.
	mounts func(b inventory.Boot, d inventory.Device, reserved []string) ([]mounts.Mount, error)
	// interfaces are what the device gives to the container's network. Nil: nothing.
	interfaces func(b inventory.Boot, d inventory.Device) ([]mounts.Interface, error)
	// configure adds what liblxc has to know at a start. Nil: nothing.
	configure func(s setup, doc *document, d inventory.Device)
	// started does what neither does for a container that has just started. Nil: nothing.
	started func(ctx context.Context, r *Runtime, c run, b inventory.Boot, d inventory.Device) error
	// attach and detach do what mounts don't to a running container; both may be repeated. Nil: nothing.
	attach, detach func(ctx context.Context, r *Runtime, c run, b inventory.Boot, d inventory.Device) error
}

// deviceKinds is the table of devices of this package.
var deviceKinds = []deviceKind{diskKind, tmpfsKind, nicKind, charKind, blockKind, gpuKind, usbKind, proxyKind}

// DeviceTypes returns the rows of the devices this package gives to containers.
func DeviceTypes() []inventory.DeviceType {
	var rows []inventory.DeviceType
	for _, k := range deviceKinds {
		rows = append(rows, k.row)
	}
	return rows
}

func kindOf(d inventory.Device) (deviceKind, error) {
	for _, k := range deviceKinds {
		if k.row.Name == d.Type {
			return k, nil
		}
	}
	return deviceKind{}, inventory.Errorf(inventory.ErrInvalid, "device %s: there is no type %q", d.Name, d.Type)
}

// mountsOf is what devices give to a container, each below the limits its type knows.
func (r *Runtime) mountsOf(b inventory.Boot, devices ...inventory.Device) (mounts.Set, error) {
	limits, err := readLimits(b.Settings)
	if err != nil {
		return mounts.Set{}, err
	}
	set := mounts.Set{IDBase: b.Container.IDBase, Guard: filepath.Join(r.runDir, "guards", string(b.Container.ID))}
	if limits.privileged {
		set.IDBase = 0
	}
	for _, d := range devices {
		k, err := kindOf(d)
		if err != nil {
			return set, err
		}
		if k.mounts != nil {
			more, err := k.mounts(b, d, r.reserved())
			if err != nil {
				return set, err
			}
			set.Mounts = append(set.Mounts, more...)
		}
		if k.interfaces != nil {
			more, err := k.interfaces(b, d)
			if err != nil {
				return set, err
			}
			set.Interfaces = append(set.Interfaces, more...)
		}
	}
	return set, nil
}

// deviceList is the file the hook reads at every boot of the container; there is none without devices.
func (r *Runtime) deviceList(id inventory.ContainerID) string {
	return filepath.Join(r.runDir, "devices", string(id))
}

func (r *Runtime) writeDevices(b inventory.Boot) error {
	set, err := r.mountsOf(b, b.Container.Devices...)
	if err != nil {
		return err
	}
	first, err := firstInterface(b)
	if err != nil {
		return err
	}
	set.Interfaces = append(first, set.Interfaces...)
	list := r.deviceList(b.Container.ID)
	if set.IsEmpty() {
		return removeFile(list)
	}
	raw, err := json.Marshal(set)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(list), 0o700); err != nil {
		return err
	}
	return writeFile(list, raw)
}

// deviceReason is why the devices of a boot could not be given to the container; nil when they could.
func (r *Runtime) deviceReason(id inventory.ContainerID) error {
	text, err := os.ReadFile(r.deviceList(id) + ".error")
	if err != nil {
		return nil
	}
	return inventory.Errorf(inventory.ErrUnavailable, "%s", bytes.TrimSpace(text))
}

func (r *Runtime) forgetDevices(id inventory.ContainerID) {
	forgetNodes(id)
	os.RemoveAll(filepath.Dir(r.proxyPath(id, "x")))
	os.Remove(r.deviceList(id))
	os.Remove(r.deviceList(id) + ".error")
}

// deviceTimeout bounds giving a device to a running container or taking it away: both take milliseconds.
const deviceTimeout = 20 * time.Second

// areUsable refuses what the host has no more to give.
func areUsable(devices ...inventory.Device) error {
	for _, d := range devices {
		if k, err := kindOf(d); err != nil {
			return err
		} else if k.usable != nil {
			if err := k.usable(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// Check opens what the device shows, as Attach would, and gives it to nobody.
func (r *Runtime) Check(ctx context.Context, b inventory.Boot, d inventory.Device) error {
	if err := areUsable(d); err != nil {
		return err
	}
	set, err := r.mountsOf(b, d)
	if err != nil || d.HostPath() == "" { // what is the agent's own is there
		return err
	}
	return r.callDevice(ctx, "check", nil, set)
}

// Attach gives a running container the device, as it is among b.Container's; one that it has already
// stays. For a container that doesn't run there is nothing to do: it gets its devices when it starts.
func (r *Runtime) Attach(ctx context.Context, b inventory.Boot, d inventory.Device) error {
	if err := areUsable(d); err != nil {
		return err
	}
	return r.changeDevice(ctx, "attach", b, d)
}

// Detach takes a device away from a running container; one that it has not is fine. ErrBusy says who
// uses it.
func (r *Runtime) Detach(ctx context.Context, b inventory.Boot, d inventory.Device) error {
	return r.changeDevice(ctx, "detach", b, d)
}

func (r *Runtime) changeDevice(ctx context.Context, action string, b inventory.Boot, d inventory.Device) error {
	k, err := kindOf(d)
	if err != nil {
		return err
	}
	set, err := r.mountsOf(b, d)
	if err != nil {
		return err
	}
	more := k.attach
	if action == "detach" {
		more = k.detach
	}
	for {
		run, state := r.look(b.Container)
		if !state.IsLive() {
			return nil
		}
		init := run.init
		err := r.callDevice(ctx, action, &init, set)
		if err == nil && more != nil {
			err = more(ctx, r, run, b, d)
		}
		// An init that ended meanwhile has taken its mounts along, and the next one's come with it.
		if err == nil || init.isSame() || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// callDevice has lodge-lxc change the mounts of a running container, or only check them.
func (r *Runtime) callDevice(ctx context.Context, action string, init *process, set mounts.Set) error {
	if set.IsEmpty() {
		return nil
	}
	raw, err := json.Marshal(set)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.helper, "device", action)
	if init != nil {
		fd, err := init.open() // a number alone might be another process's by then
		if err != nil {
			return inventory.Errorf(inventory.ErrState, "%s a device: the container has stopped", action)
		}
		holder := os.NewFile(uintptr(fd), "init")
		defer holder.Close()
		cmd.ExtraFiles = []*os.File{holder}
		cmd.Args = append(cmd.Args, strconv.Itoa(init.pid))
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(raw), &out, &errs
	failed := cmd.Run()
	var answer struct{ Error, Kind string }
	if json.Unmarshal(out.Bytes(), &answer) != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "%s a device: lodge-lxc gave no answer: %v %s", action,
			failed, bytes.TrimSpace(errs.Bytes()))
	}
	if answer.Error == "" {
		return nil
	}
	kind, ok := inventory.KindNamed(answer.Kind)
	if !ok {
		kind.Err = inventory.ErrUnavailable
	}
	return inventory.Errorf(kind.Err, "%s", answer.Error)
}
