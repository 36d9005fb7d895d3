package anchor_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"lodge/audit"
	"lodge/manager/anchor"
	"lodge/manager/anchor/rsyslogtest"
)

func settingsFor(c *rsyslogtest.Collector) map[string]string {
	values := map[string]string{anchor.SettingSyslog: c.Target(), anchor.SettingInterval: "1s"}
	if c.Secure {
		values[anchor.SettingCA] = c.Path("ca.pem")
	}
	if c.Mutual {
		values[anchor.SettingCert], values[anchor.SettingKey] = c.Path("cert.pem"), c.Path("key.pem")
	}
	return values
}

// A real collector gets the bytes of every record, hostile and long ones too, and its logs prove later
// that the end of the journal was cut off.
func TestSyslogIsACopy(t *testing.T) {
	for _, c := range []struct {
		name           string
		secure, mutual bool
	}{{"tcp", false, false}, {"tls", true, false}, {"tls with our certificate", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			collector := rsyslogtest.New(t, c.secure, c.mutual)
			collector.Start()
			b := newBench(t, settingsFor(collector))
			b.write(3)
			b.add(hostile())
			old := b.shortened(t, func() { b.write(400) })
			b.run()
			b.arrived()
			b.written(collector)
			b.complete(collector)
			notes := kept(t, collector.Path("plain.log"))
			if r := verify(t, b.dir, audit.VerifyOptions{Logs: notes}); r.ExitCode() != 0 || r.Compared == 0 {
				t.Errorf("the journal does not agree with its syslog: %+v", r)
			}
			if r := verify(t, old, audit.VerifyOptions{}); r.ExitCode() != 0 {
				t.Errorf("without the syslog the shorter one looks whole: %+v", r)
			}
			r := verify(t, old, audit.VerifyOptions{Logs: notes})
			if r.ExitCode() == 0 || len(r.Problems) == 0 || !strings.Contains(r.Problems[0].Text, "missing") {
				t.Errorf("the cut is not found: %+v", r)
			}
		})
	}
}

// A collector that is killed and comes back loses nothing, nor does an agent that dies between sending
// and its cursor.
func TestNothingIsLost(t *testing.T) {
	collector := rsyslogtest.New(t, false, false)
	b := newBench(t, settingsFor(collector))
	b.run()
	b.write(50)
	b.await("the collector is away", func(s anchor.Status) bool {
		return s.Error != "" && s.State() == anchor.StateFailing && s.Behind() >= 50
	})
	for range 3 {
		collector.Start()
		b.write(100)
		b.arrived()
		b.written(collector)
		b.write(20)
		collector.Kill()
		b.write(20)
		b.await("the end is noticed", func(s anchor.Status) bool { return !s.Connected })
	}
	b.stop()
	collector.Start()
	b.config.Settle = time.Hour // nothing counts as arrived before the crash
	b.run()
	size := b.journal.Latest().Size
	b.await("all is sent", func(s anchor.Status) bool { return s.Sent == size })
	b.stop()
	if b.status().Arrived == size {
		t.Error("the cursor moved before anything settled")
	}
	b.config.Settle = 300 * time.Millisecond
	b.run()
	b.write(10)
	b.arrived()
	b.written(collector)
	if twice := b.complete(collector); twice == 0 {
		t.Error("nothing was told twice: the test did not crash between sending and the cursor")
	}
}

// A collector that is not who it should be, or doesn't know us, gets nothing that counts.
func TestStrangersAreRefused(t *testing.T) {
	collector := rsyslogtest.New(t, true, true)
	collector.Start()
	for name, change := range map[string]func(map[string]string){
		"another authority": func(v map[string]string) { v[anchor.SettingCA] = collector.Path("other.pem") },
		"the host's trust":  func(v map[string]string) { delete(v, anchor.SettingCA) },
		"another name": func(v map[string]string) {
			v[anchor.SettingSyslog] = strings.Replace(collector.Target(), "localhost", "127.0.0.1", 1)
		},
		"no certificate": func(v map[string]string) { delete(v, anchor.SettingCert); delete(v, anchor.SettingKey) },
		"half of one":    func(v map[string]string) { delete(v, anchor.SettingKey) },
		"plain text": func(v map[string]string) {
			v[anchor.SettingSyslog] = strings.Replace(collector.Target(), "tls:", "tcp:", 1)
		},
		"a file that is gone": func(v map[string]string) { v[anchor.SettingCA] = "/nowhere/ca.pem" },
	} {
		t.Run(name, func(t *testing.T) {
			values := settingsFor(collector)
			change(values)
			b := newBench(t, values)
			b.write(5)
			b.run()
			b.await("it is refused", func(s anchor.Status) bool { return s.Error != "" })
			if s := b.status(); s.Arrived != 0 {
				t.Errorf("it counts as arrived: %+v", s)
			}
		})
	}
}

// Who takes nothing holds up nobody but themselves.
func TestADeadCollectorHoldsUpNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for { // it accepts, and never reads
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	}()
	b := newBench(t, map[string]string{anchor.SettingSyslog: "tcp://" + l.Addr().String()})
	b.run()
	for range 40 {
		b.add(hostile()) // more than any socket's buffer
	}
	if s := b.status(); s.Arrived == s.Size {
		t.Errorf("what nobody read counts as arrived: %+v", s)
	}
}

// deaf is a journald whose socket is full for ever.
type deaf chan struct{}

func (d deaf) Send(string, int, map[string]string) error { <-d; return nil }

// A sink that hangs is told of, and neither records nor settings nor the agent's end wait for it.
func TestAHangingSinkHoldsUpNobody(t *testing.T) {
	b := newBench(t, map[string]string{anchor.SettingJournald: "true"})
	hangs := make(deaf)
	t.Cleanup(func() { close(hangs) })
	b.config.Journald, b.config.Stall = hangs, 50*time.Millisecond
	b.run()
	b.write(5)
	b.await("it is told of", func(s anchor.Status) bool {
		return s.State() == anchor.StateFailing && strings.Contains(s.Error, "taken nothing")
	})
	b.set(map[string]string{anchor.SettingDrop: t.TempDir()})
	b.await("another takes over", func(s anchor.Status) bool { return s.Sink == "drop" && s.Checkpoint.Size == 5 })
	b.stop()
}
