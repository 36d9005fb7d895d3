package image

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"strings"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
)

// An Identity is what tells one container from all others of the same image.
type Identity struct {
	ID       inventory.ContainerID
	Hostname string // a DNS label, or a full name
	Domain   string // appended to Hostname for its full name; "" for none
	Address  netip.Addr

	Nameservers []netip.Addr
	Search      []string // domains names are looked up in
	Timezone    string   // "Europe/Paris"; "" leaves the image's, UTC
	SSHKeys     []string // public keys that may sign in as root, one per entry

	// UserData is a cloud-init document for an image that has cloud-init; "" for none.
	UserData string
	// HostKey is an ED25519 key in PEM to keep as the SSH host key; nil makes a new one.
	HostKey []byte
}

// FirstBoot makes a root file system the container's own: host name, hosts, resolv.conf, time
// zone, SSH host key, root's authorized keys, the seed of cloud-init and the machine id.
// Everything that was there under these names goes: links are replaced, never followed, and no
// path leaves rootfs even if the image's author meant it to.
//
// A root file system that carries this container's machine id already has been through it, and
// only gets the names: so a renamed container keeps its host key, and a clone gets its own.
//
// It belongs before a start, takes about a millisecond, and syncs nothing: a crash undoes or
// repeats the step it is part of.
func FirstBoot(rootfs string, id Identity) error {
	w, err := openRootfs(rootfs)
	if err != nil {
		return err
	}
	defer w.Close()
	steps := []func(Identity) error{
		// The machine id comes last: it says that the rest is done.
		w.names, w.resolver, w.timezone, w.hostKeys, w.authorizedKeys, w.seed, w.machineID,
	}
	if has, err := readSmall(w.Root, "etc/machine-id"); err == nil && strings.TrimSpace(string(has)) == MachineID(id.ID) {
		steps = steps[:1]
	}
	for _, step := range steps {
		if err := step(id); err != nil {
			return fmt.Errorf("prepare the root file system of %s: %w", id.Hostname, err)
		}
	}
	return nil
}

// MachineID is the machine id (machine-id(5)) of a container: 32 hexadecimal digits, the same for
// the same container for ever, and telling nobody the container's id.
func MachineID(id inventory.ContainerID) string {
	sum := sha256.Sum256([]byte("lodge machine-id\x00" + string(id)))
	sum[6] = sum[6]&0x0f | 0x40 // version 4 and variant of RFC 9562, as systemd makes them
	sum[8] = sum[8]&0x3f | 0x80
	return hex.EncodeToString(sum[:16])
}

// HostKeys returns the public SSH host keys in a root file system, as in known_hosts without the
// name. Files that are no keys are left out.
func HostKeys(rootfs string) ([]string, error) {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var keys []string
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		text, err := readSmall(root, "etc/ssh/ssh_host_"+kind+"_key.pub")
		if err != nil {
			continue
		}
		if key, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
			keys = append(keys, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
		}
	}
	return keys, nil
}

// readSmall reads a regular file of a stranger's tree up to 16 KiB. Opening a FIFO would block, so
// it looks first; a change in between ends in a read error, not in a wait, by O_NONBLOCK.
func readSmall(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New(name + " is no regular file")
	}
	return io.ReadAll(io.LimitReader(f, 16<<10))
}

func (w *rootfsWriter) names(id Identity) error {
	full := id.Hostname
	if id.Domain != "" {
		full = id.Hostname + "." + id.Domain + " " + id.Hostname
	}
	own := "127.0.1.1" // Debian's way for hosts without a lasting address
	if id.Address.IsValid() {
		own = id.Address.String()
	}
	hosts := "127.0.0.1\tlocalhost\n" + own + "\t" + full + "\n\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
	if err := w.write("etc/hostname", id.Hostname+"\n", 0o644); err != nil {
		return err
	}
	return w.write("etc/hosts", hosts, 0o644)
}

// resolver replaces what may be a link to a resolver's own file: the resolver is the host's.
func (w *rootfsWriter) resolver(id Identity) error {
	if len(id.Nameservers) == 0 {
		return nil
	}
	text := "# written by lodge when the container was made\n"
	if len(id.Search) > 0 {
		text += "search " + strings.Join(id.Search, " ") + "\n"
	}
	for _, a := range id.Nameservers {
		text += "nameserver " + a.String() + "\n"
	}
	return w.write("etc/resolv.conf", text, 0o644)
}

func (w *rootfsWriter) machineID(id Identity) error {
	machine := MachineID(id.ID) + "\n"
	if err := w.write("etc/machine-id", machine, 0o444); err != nil {
		return err
	}
	// D-Bus has a copy where it is older than machine-id(5); elsewhere a link, or nothing.
	if info, err := w.Lstat("var/lib/dbus/machine-id"); err == nil && info.Mode().IsRegular() {
		return w.write("var/lib/dbus/machine-id", machine, 0o644)
	}
	return nil
}

func (w *rootfsWriter) timezone(id Identity) error {
	zone := path.Clean(id.Timezone)
	if id.Timezone == "" || strings.HasPrefix(zone, "/") || strings.HasPrefix(zone, "..") {
		return nil
	}
	if info, err := w.Stat("usr/share/zoneinfo/" + zone); err != nil || !info.Mode().IsRegular() {
		return nil // an image without time zones stays on UTC
	}
	if err := w.link("/usr/share/zoneinfo/"+zone, "etc/localtime"); err != nil {
		return err
	}
	return w.write("etc/timezone", zone+"\n", 0o644)
}

// hostKeys makes one ED25519 key, which takes 0.1 ms; an RSA key would take most of a second. An
// image without sshd gets none.
func (w *rootfsWriter) hostKeys(id Identity) error {
	if info, err := w.Lstat("etc/ssh"); err != nil || !info.IsDir() {
		return nil
	}
	private, public, err := hostKey(id)
	if err != nil {
		return err
	}
	for _, kind := range []string{"dsa", "ecdsa", "rsa"} {
		for _, suffix := range []string{"_key", "_key.pub"} {
			if err := w.clear("etc/ssh/ssh_host_" + kind + suffix); err != nil {
				return err
			}
		}
	}
	if err := w.write("etc/ssh/ssh_host_ed25519_key", private, 0o600); err != nil {
		return err
	}
	return w.write("etc/ssh/ssh_host_ed25519_key.pub", public, 0o644)
}

func hostKey(id Identity) (private, public string, err error) {
	if id.HostKey != nil {
		signer, err := ssh.ParsePrivateKey(id.HostKey)
		if err != nil || signer.PublicKey().Type() != ssh.KeyAlgoED25519 {
			return "", "", inventory.Errorf(inventory.ErrInvalid, "the SSH host key to keep is no ED25519 key")
		}
		return string(id.HostKey), authorized(signer.PublicKey(), id.Hostname), nil
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "root@"+id.Hostname)
	if err != nil {
		return "", "", err
	}
	shown, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(block)), authorized(shown, id.Hostname), nil
}

func authorized(key ssh.PublicKey, host string) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " root@" + host + "\n"
}

func (w *rootfsWriter) authorizedKeys(id Identity) error {
	if len(id.SSHKeys) == 0 {
		return nil
	}
	var text strings.Builder
	for _, line := range id.SSHKeys {
		key, comment, _, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(strings.TrimSpace(string(rest))) > 0 {
			return inventory.Errorf(inventory.ErrInvalid, "%.40q... is no SSH public key", line)
		}
		fmt.Fprintf(&text, "%s %s\n", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), comment)
	}
	if err := w.directory("root/.ssh", 0o700); err != nil {
		return err
	}
	return w.write("root/.ssh/authorized_keys", text.String(), 0o600)
}

// seed leaves user-data where cloud-init's NoCloud source looks first.
func (w *rootfsWriter) seed(id Identity) error {
	if id.UserData == "" {
		return nil
	}
	const dir = "var/lib/cloud/seed/nocloud"
	if err := w.directory(dir, 0o755); err != nil {
		return err
	}
	meta := "instance-id: " + string(id.ID) + "\nlocal-hostname: " + id.Hostname + "\n"
	if err := w.write(dir+"/meta-data", meta, 0o644); err != nil {
		return err
	}
	for name, text := range map[string]string{"network-config": noNetwork, "vendor-data": keepKeys} {
		if err := w.write(dir+"/"+name, text, 0o644); err != nil {
			return err
		}
	}
	return w.write(dir+"/user-data", id.UserData, 0o600)
}

// The address and the host key are the host's to give: cloud-init leaves them as they are. A user's
// own document says otherwise if it has to, vendor data being the weaker.
const (
	noNetwork = "config: disabled\n"
	keepKeys  = "#cloud-config\nssh_deletekeys: false\nssh_genkeytypes: [ed25519]\n"
)

// missing reports whether err says that there is nothing of that name.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
