package names

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// pushTime is how long one name server may take for an answer.
	pushTime = 5 * time.Second
	// perUpdate is how many records one update changes: at some 200 bytes each they fit.
	perUpdate = 200
	// maxForeign bounds what is read of a zone at another server.
	maxForeign = 200_000
)

// pushTimes are the pauses before it is tried once more; the last one is kept to.
var pushTimes = []time.Duration{0, time.Second, 5 * time.Second, 30 * time.Second, time.Minute}

// Push makes the zones at other primaries ours, by dynamic update (RFC 2136) signed with the key. It
// returns when all of them have the present zone, or when there is another one.
func (s *Server) Push() {
	t := s.handler.table.Load()
	left := t.zone.Transfer.Push
	for try := 0; len(left) > 0; try++ {
		time.Sleep(pushTimes[min(try, len(pushTimes)-1)])
		left = s.pushOnce(t, left, try)
	}
}

// pushOnce returns the servers that have to be tried again. One push runs at a time, so that an older
// zone never comes after a newer one.
func (s *Server) pushOnce(t *table, servers []netip.AddrPort, try int) (failed []netip.AddrPort) {
	s.pushing.Lock()
	defer s.pushing.Unlock()
	for _, server := range servers {
		for _, apex := range t.apexes {
			if s.handler.table.Load() != t {
				return nil
			}
			err := t.push(server, apex)
			if errors.Is(err, errNotTheirs) && apex != dns.Fqdn(strings.ToLower(t.zone.Domain)) {
				continue // a server need not have the reverse zones
			}
			if err != nil {
				if try < len(pushTimes) {
					s.log.Warn("a name server does not have our names", "server", server.String(), "zone", apex, "err", err)
				}
				failed = append(failed, server)
				break
			}
		}
	}
	return failed
}

// errNotTheirs: the server has no such zone for us.
var errNotTheirs = errors.New("it does not hand the zone out: it has none of that name, or allow-transfer lacks the key")

// push compares the zone at the server with ours, and has the server change what differs. The zone's SOA,
// its NS and what signs it are the server's.
func (t *table) push(server netip.AddrPort, apex string) error {
	theirs, err := t.foreign(server, apex)
	if err != nil {
		return err
	}
	remove, insert := difference(theirs, t.dump(apex), apex)
	for len(remove)+len(insert) > 0 {
		m := new(dns.Msg).SetUpdate(apex)
		n := min(perUpdate, len(remove))
		m.Remove(remove[:n])
		remove = remove[n:]
		if n = min(perUpdate-n, len(insert)); len(remove) == 0 {
			m.Insert(insert[:n])
			insert = insert[n:]
		}
		if err := t.update(server, m); err != nil {
			return err
		}
	}
	return nil
}

// foreign reads the zone as the server has it.
func (t *table) foreign(server netip.AddrPort, apex string) ([]dns.RR, error) {
	tr := t.zone.Transfer
	m := new(dns.Msg).SetAxfr(apex)
	m.SetTsig(dns.Fqdn(tr.KeyName), dns.HmacSHA256, tsigFudge, time.Now().Unix())
	conn, err := net.DialTimeout("tcp", server.String(), pushTime)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // which ends the transfer's goroutine too
	in := &dns.Transfer{Conn: &dns.Conn{Conn: conn}, ReadTimeout: pushTime, WriteTimeout: pushTime,
		TsigSecret: map[string]string{dns.Fqdn(tr.KeyName): tr.Key}}
	envelopes, err := in.In(m, server.String())
	if err != nil {
		return nil, err
	}
	var out []dns.RR
	for e := range envelopes {
		switch {
		case isRefusal(e.Error):
			err = fmt.Errorf("%w (%w)", errNotTheirs, e.Error)
		case e.Error != nil:
			err = e.Error
		case len(out) > maxForeign:
			err = fmt.Errorf("the zone there has more than %d records", maxForeign)
			conn.Close()
		default:
			out = append(out, e.RR...)
		}
	}
	return out, err
}

// isRefusal reports whether the server answered, and that it has nothing for us.
func isRefusal(err error) bool {
	return err != nil && (errors.Is(err, dns.ErrAuth) || strings.Contains(err.Error(), "bad xfr rcode"))
}

func (t *table) update(server netip.AddrPort, m *dns.Msg) error {
	tr := t.zone.Transfer
	m.SetTsig(dns.Fqdn(tr.KeyName), dns.HmacSHA256, tsigFudge, time.Now().Unix())
	client := dns.Client{Net: "tcp", Timeout: pushTime, TsigSecret: map[string]string{dns.Fqdn(tr.KeyName): tr.Key}}
	resp, _, err := client.Exchange(m, server.String())
	if err == nil && resp.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("the update is answered with %s; does allow-update have the key?", dns.RcodeToString[resp.Rcode])
	}
	return err
}

// difference is what has to go and to come for theirs to be ours.
func difference(theirs, ours []dns.RR, apex string) (remove, insert []dns.RR) {
	have := map[string]dns.RR{}
	for _, rr := range theirs {
		if pushed(rr, apex) {
			have[sameness(rr)] = rr
		}
	}
	for _, rr := range ours {
		if !pushed(rr, apex) {
			continue
		}
		key := sameness(rr)
		if _, ok := have[key]; !ok {
			insert = append(insert, dns.Copy(rr))
		}
		delete(have, key)
	}
	for _, rr := range have {
		remove = append(remove, rr)
	}
	return remove, insert
}

// sameness is equal for two records that say the same, whatever their TTLs and the case of names.
func sameness(rr dns.RR) string {
	c := dns.Copy(rr)
	c.Header().Ttl, c.Header().Name = 0, strings.ToLower(c.Header().Name)
	return c.String()
}

// pushed reports whether a record is ours to say and not the server's.
func pushed(rr dns.RR, apex string) bool {
	switch rr.Header().Rrtype {
	case dns.TypeSOA, dns.TypeDNSKEY, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeCDS,
		dns.TypeCDNSKEY, 65534: // the last is BIND's note on what it has yet to sign
		return false
	case dns.TypeNS:
		return !strings.EqualFold(rr.Header().Name, apex)
	}
	return true
}
