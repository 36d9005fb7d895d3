package anchor

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"lodge/inventory"
)

// Names of the settings.
const (
	SettingSyslog   = "audit.syslog"
	SettingCA       = "audit.syslog.ca"
	SettingCert     = "audit.syslog.cert"
	SettingKey      = "audit.syslog.key"
	SettingDrop     = "audit.drop"
	SettingJournald = "audit.journald"
	SettingInterval = "audit.anchor.interval"
)

// Settings returns the rows of the settings table this package applies. Whoever turns an anchor off
// can have the records after that for themselves, hence the risk.
func Settings() []inventory.Setting {
	text := func(name, doc string, valid func(string) error) inventory.Setting {
		return inventory.Setting{Name: name, Scopes: []inventory.Scope{inventory.ScopeHost}, Type: inventory.TypeText,
			Effect: inventory.EffectLive, Risk: inventory.RiskHigh, Valid: valid, Doc: doc}
	}
	all := []inventory.Setting{
		text(SettingSyslog, "Collector that gets every record and checkpoint of the audit journal as syslog (RFC 5424): "+
			"tls://HOST:6514 (RFC 5425) or tcp://HOST:PORT (RFC 6587). Empty: none.", checkSyslog),
		text(SettingCA, "File on the host with the certificates in PEM that vouch for the collector of audit.syslog; "+
			"empty: those the host trusts. The name in its certificate has to be HOST.", checkCertificates),
		text(SettingCert, "File on the host with the certificate in PEM to show to the collector of audit.syslog. Empty: none.", checkCertificates),
		text(SettingKey, "File on the host, mode 0600, with the key of audit.syslog.cert in PEM.", checkKeyFile),
		text(SettingDrop, "Folder on another machine's disk (NFS, SMB, a WORM share) that gets each checkpoint of the audit journal and the records up to it as new files, "+
			"and each finished segment. Nothing in it is ever written again. Empty: none.", checkFolder),
		text(SettingJournald, "Whether records and checkpoints of the audit journal go to systemd's journal, from where they leave the host "+
			"only if something forwards that.", nil),
		text(SettingInterval, "A new checkpoint goes to the anchors this long after the last one, or at once if that is longer ago. "+
			"Records go at once. When nothing happens the journal makes a checkpoint every ten minutes.", nil),
	}
	j, i := &all[5], &all[6]
	j.Type, j.Default = inventory.TypeBool, "false"
	i.Type, i.Default, i.Min, i.Max = inventory.TypeDuration, "1m0s", "1s", "1d"
	return all
}

// dialAddress reads audit.syslog: whether it is TLS, the collector's name and HOST:PORT.
func dialAddress(value string) (secure bool, host, address string, err error) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "tls" && u.Scheme != "tcp" || u.Hostname() == "" ||
		u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return false, "", "", inventory.Errorf(inventory.ErrInvalid,
			"%q is no collector; write tls://HOST:6514 or tcp://HOST:PORT", value)
	}
	port := u.Port()
	if port == "" && u.Scheme == "tls" {
		port = "6514" // RFC 5425, 4.1
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return false, "", "", inventory.Errorf(inventory.ErrInvalid,
			"%q names no port; write tls://HOST:6514 or tcp://HOST:PORT", value)
	}
	return u.Scheme == "tls", u.Hostname(), net.JoinHostPort(u.Hostname(), port), nil
}

func checkSyslog(value string) error {
	if value == "" {
		return nil
	}
	_, _, _, err := dialAddress(value)
	return err
}

// readPool reads the certificates of a file.
func readPool(path string) (*x509.CertPool, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s holds no certificate in PEM", path)
	}
	return pool, nil
}

// maxPEM bounds what is read of a file with certificates.
const maxPEM = 4 << 20

func readFile(path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%q is no absolute path of a file on the host", path)
	}
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxPEM) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s is no file of certificates or a key", path)
	}
	if err != nil {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s can't be read: %v", path, err)
	}
	return os.ReadFile(path)
}

func checkCertificates(value string) error {
	if value == "" {
		return nil
	}
	_, err := readPool(value)
	return err
}

func checkKeyFile(value string) error {
	if value == "" {
		return nil
	}
	if _, err := readFile(value); err != nil {
		return err
	}
	if info, err := os.Stat(value); err != nil || info.Mode().Perm()&0o077 != 0 {
		return inventory.Errorf(inventory.ErrInvalid, "the key %s can be read by others; make it 0600", value)
	}
	return nil
}

func checkFolder(value string) error {
	if value == "" {
		return nil
	}
	if !filepath.IsAbs(value) || filepath.Clean(value) != value || value == "/" {
		return inventory.Errorf(inventory.ErrInvalid, "%q is no absolute path of a folder", value)
	}
	if info, err := os.Stat(value); err != nil || !info.IsDir() {
		return inventory.Errorf(inventory.ErrInvalid, "%s is no folder on this host; mount it first", value)
	}
	return nil
}

// clientTLS is how the collector is met. The files are read with every connection: certificates are
// renewed.
func clientTLS(host string, values map[string]string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	var err error
	if ca := values[SettingCA]; ca != "" {
		if c.RootCAs, err = readPool(ca); err != nil {
			return nil, err
		}
	}
	cert, key := values[SettingCert], values[SettingKey]
	if (cert == "") != (key == "") {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s and %s go together; set both or neither", SettingCert, SettingKey)
	}
	if cert != "" {
		if err := checkKeyFile(key); err != nil {
			return nil, err
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, inventory.Errorf(inventory.ErrInvalid, "%s and %s are no certificate and its key: %v", cert, key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// interval is the setting's value, or its default.
func interval(values map[string]string) time.Duration {
	if d, err := inventory.ParseDuration(values[SettingInterval]); err == nil && d > 0 {
		return d
	}
	return time.Minute
}
