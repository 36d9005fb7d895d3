package names

import (
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	cacheEntries = 4096
	// Larger answers are rare and not kept: with the number of entries this bounds the memory.
	cacheMessage = 2048              // bytes
	cacheTTL     = 300 * time.Second // the longest time an answer is kept
	cacheNoTTL   = 5 * time.Second   // and one without a TTL to go by
	// cacheFailure is how long nobody is asked again what nobody could answer (RFC 9520, 3.2).
	cacheFailure = 5 * time.Second
)

// cacheKey is everything a forwarded answer depends on.
type cacheKey struct {
	name   string
	kind   uint16
	do, cd bool
}

func keyOf(req *dns.Msg) cacheKey {
	q, opt := req.Question[0], req.IsEdns0()
	return cacheKey{strings.ToLower(q.Name), q.Qtype, opt != nil && opt.Do(), req.CheckingDisabled}
}

type cacheEntry struct {
	msg    *dns.Msg
	stored time.Time
	until  time.Time
}

// cache keeps answers of upstreams for as long as they said (RFC 1035, 3.2.1; RFC 2308).
type cache struct {
	mu      sync.Mutex
	entries map[cacheKey]cacheEntry
}

func newCache() *cache { return &cache{entries: map[cacheKey]cacheEntry{}} }

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
}

// get returns a copy with what is left of the TTLs, or nil.
func (c *cache) get(key cacheKey, now time.Time) *dns.Msg {
	c.mu.Lock()
	e, ok := c.entries[key]
	c.mu.Unlock()
	// A clock that was set back makes entries look new; stored tells.
	if !ok || !now.Before(e.until) || now.Before(e.stored) {
		return nil
	}
	msg, age := e.msg.Copy(), uint32(now.Sub(e.stored)/time.Second)
	for _, section := range [][]dns.RR{msg.Answer, msg.Ns, msg.Extra} {
		for _, rr := range section {
			if h := rr.Header(); h.Rrtype != dns.TypeOPT {
				h.Ttl -= min(age, h.Ttl)
			}
		}
	}
	return msg
}

// put keeps answers, denials and, for a moment, failures; cut answers are asked for again.
func (c *cache) put(key cacheKey, msg *dns.Msg, now time.Time) {
	ttl := cacheFailure
	switch {
	case msg.Truncated || msg.Len() > cacheMessage:
		return
	case msg.Rcode == dns.RcodeSuccess || msg.Rcode == dns.RcodeNameError:
		ttl = lifetime(msg)
	case msg.Rcode != dns.RcodeServerFailure:
		return
	}
	if ttl <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.entries {
		// Which one goes is left to the map's random order: that needs no list, and no asker can
		// choose it.
		if len(c.entries) < cacheEntries {
			break
		}
		delete(c.entries, k)
	}
	c.entries[key] = cacheEntry{msg: msg.Copy(), stored: now, until: now.Add(ttl)}
}

// lifetime is the least TTL of the message; for a denial also the SOA's minimum.
func lifetime(msg *dns.Msg) time.Duration {
	ttl, found := cacheTTL, false
	for _, section := range [][]dns.RR{msg.Answer, msg.Ns, msg.Extra} {
		for _, rr := range section {
			if rr.Header().Rrtype == dns.TypeOPT {
				continue
			}
			found = true
			ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
			if soa, ok := rr.(*dns.SOA); ok && len(msg.Answer) == 0 {
				ttl = min(ttl, time.Duration(soa.Minttl)*time.Second)
			}
		}
	}
	if !found {
		return cacheNoTTL
	}
	return ttl
}
