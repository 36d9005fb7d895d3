// Package rsyslogtest runs a real rsyslogd as the collector of a test.
package rsyslogtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/packaging/need"
)

// A Collector is a rsyslogd with a folder of its own. It comes and goes; its port and files stay.
type Collector struct {
	Dir string
	// Secure makes it speak TLS; Mutual makes it ask for a certificate of its own authority.
	Secure, Mutual bool
	t              testing.TB
	port           int
	cmd            *exec.Cmd
	ended          chan struct{}
}

// New prepares a collector that is not there yet.
func New(t testing.TB, secure, mutual bool) *Collector {
	t.Helper()
	need.Program(t, "rsyslogd")
	dir, err := os.MkdirTemp("", "rsyslog")
	if err != nil {
		t.Fatal(err)
	}
	c := &Collector{Dir: dir, Secure: secure, Mutual: mutual, t: t}
	t.Cleanup(func() { c.Kill(); os.RemoveAll(dir) })
	if secure {
		c.certify()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // the port has to be the same after a restart
	if err != nil {
		t.Fatal(err)
	}
	c.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	return c
}

// Target is what audit.syslog has to be.
func (c *Collector) Target() string {
	if c.Secure {
		return fmt.Sprintf("tls://localhost:%d", c.port)
	}
	return fmt.Sprintf("tcp://127.0.0.1:%d", c.port)
}

// Path is that of a file in its folder: ca.pem, cert.pem and key.pem of its authority, other.pem of
// another one; plain.log in rsyslog's own old format, full.log with structured data.
func (c *Collector) Path(name string) string { return filepath.Join(c.Dir, name) }

const config = `
global(workDirectory="DIR" abortOnUncleanConfig="on" DRIVER)
module(load="imtcp" MODE)
template(name="full" type="string" string="%structured-data% %msg%\n")
input(type="imtcp" address="127.0.0.1" port="PORT" ruleset="keep")
ruleset(name="keep") {
  action(type="omfile" file="DIR/full.log" template="full")
  action(type="omfile" file="DIR/plain.log" template="RSYSLOG_TraditionalFileFormat")
}
`

// Start starts it and waits until it listens.
func (c *Collector) Start() {
	c.t.Helper()
	driver, mode := "", ""
	if c.Secure {
		driver = `defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="DIR/ca.pem" ` +
			`defaultNetstreamDriverCertFile="DIR/cert.pem" defaultNetstreamDriverKeyFile="DIR/key.pem"`
		mode = `streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon"`
		if c.Mutual {
			mode = strings.Replace(mode, "anon", "x509/certvalid", 1)
		}
	}
	text := strings.NewReplacer("DRIVER", driver, "MODE", mode).Replace(config)
	text = strings.NewReplacer("DIR", c.Dir, "PORT", fmt.Sprint(c.port)).Replace(text)
	c.must(os.WriteFile(c.Path("rsyslog.conf"), []byte(text), 0o600))
	os.Remove(c.Path("pid")) // of one that was killed
	log, err := os.OpenFile(c.Path("rsyslogd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	c.must(err)
	defer log.Close()
	c.cmd = exec.Command("rsyslogd", "-n", "-f", c.Path("rsyslog.conf"), "-i", c.Path("pid"))
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.must(c.cmd.Start())
	c.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { cmd.Wait(); close(ended) }(c.cmd, c.ended)
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-c.ended:
			said, _ := os.ReadFile(c.Path("rsyslogd.log"))
			c.t.Fatalf("rsyslogd ended: %s", said)
		default:
		}
		if time.Now().After(until) {
			c.t.Fatal("rsyslogd does not listen")
		}
	}
}

// Kill ends it at once, as a power failure would.
func (c *Collector) Kill() {
	if c.cmd != nil {
		c.cmd.Process.Kill()
		<-c.ended
		c.cmd = nil
	}
}

// Lines are those of one of its files so far.
func (c *Collector) Lines(name string) []string {
	text, err := os.ReadFile(c.Path(name))
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func (c *Collector) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// certify makes two authorities; the first signs one certificate for localhost.
func (c *Collector) certify() {
	authority := func(name string) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		c.must(err)
		ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
		c.must(err)
		c.save(name+".pem", "CERTIFICATE", der)
		return ca, key
	}
	ca, signer := authority("ca")
	authority("other")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	cert := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, ca, &key.PublicKey, signer)
	c.must(err)
	c.save("cert.pem", "CERTIFICATE", der)
	der, err = x509.MarshalPKCS8PrivateKey(key)
	c.must(err)
	c.save("key.pem", "PRIVATE KEY", der)
}

func (c *Collector) save(name, kind string, der []byte) {
	c.must(os.WriteFile(c.Path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
