package main

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func sshCertCommand() *cli.Command {
	return &cli.Command{Name: "cert", Usage: "have a key of yours certified for eight hours", ArgsUsage: "[FILE.pub]", Action: sshCert,
		Description: "The certificate is written beside the key, as FILE-cert.pub, where ssh finds it by itself. Without FILE it is\n" +
			"your own ~/.ssh/id_ed25519.pub, id_ecdsa.pub or id_rsa.pub. The key need not be one 'lodge key list' has."}
}

func sshCert(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("ssh cert takes one FILE.pub")
	}
	path := c.Args().First()
	if path == "" {
		path = ownPublicKey()
	}
	if !strings.HasSuffix(path, ".pub") || strings.HasSuffix(path, "-cert.pub") {
		return usage("ssh cert needs the FILE.pub of a key; 'ssh-keygen -t ed25519' makes one")
	}
	key, err := readKey(c, path)
	if err != nil {
		return err
	}
	signed, err := read(c, func(api *client.Client) (wire.SSHCertificate, error) { return api.CertifySSHKey(c.Context, key.Line) })
	if err != nil {
		return err
	}
	into := strings.TrimSuffix(path, ".pub") + "-cert.pub"
	if err := os.WriteFile(into, []byte(signed.Certificate+"\n"), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s is %s until %s\n", into, signed.User, when(signed.Until))
	return nil
}

// ownPublicKey is the key ssh would use first (ssh_config(5), IdentityFile); "" if there is none.
func ownPublicKey() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	for _, name := range []string{"id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"} {
		path := filepath.Join(home, ".ssh", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// certLeft is how long a certificate has to be good for to be used again.
const certLeft = 10 * time.Minute

// certified is a key of lodge's own on this machine with a certificate in force; "" where the caller is no
// user of the host, or there is no ssh-keygen: then ssh has the caller's own keys.
func certified(c *cli.Context, h wire.SSHAuthorities) string {
	dir, err := os.UserConfigDir()
	if err != nil || !inventory.IsID(string(h.HostID)) {
		return ""
	}
	key := filepath.Join(dir, "lodge", "ssh", string(h.HostID))
	if stillGood(c, key+"-cert.pub") {
		return key
	}
	if os.MkdirAll(filepath.Dir(key), 0o700) != nil {
		return ""
	}
	if _, err := os.Stat(key); err != nil {
		// Never overwrites: it would ask, and has no input.
		if osexec.CommandContext(c.Context, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lodge ssh", "-f", key).Run() != nil {
			return ""
		}
	}
	line, err := os.ReadFile(key + ".pub")
	if err != nil {
		return ""
	}
	public, err := inventory.ParseSSHKey(string(line))
	if err != nil {
		return ""
	}
	signed, err := read(c, func(api *client.Client) (wire.SSHCertificate, error) {
		return api.CertifySSHKey(c.Context, public.Line)
	})
	if err != nil || os.WriteFile(key+"-cert.pub", []byte(signed.Certificate+"\n"), 0o600) != nil {
		return ""
	}
	return key
}

// stillGood reports whether a certificate is good for a while yet, as far as its file and the host say.
func stillGood(c *cli.Context, path string) bool {
	raw, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(raw)
	cert, ok := key.(*ssh.Certificate)
	if err != nil || !ok || len(cert.ValidPrincipals) != 1 || time.Now().Add(certLeft).Unix() >= int64(cert.ValidBefore) {
		return false
	}
	known, err := read(c, func(api *client.Client) ([]wire.CertificateEntry, error) {
		return api.Certificates(c.Context, cert.ValidPrincipals[0], false)
	})
	serial := strconv.FormatUint(cert.Serial, 10)
	return err != nil || slices.ContainsFunc(known, func(x wire.CertificateEntry) bool { return x.Serial == serial })
}
