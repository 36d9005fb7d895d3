package names

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// One source may ask this often; what it asks beyond gets no answer. A busy mail server asks some
	// hundred times a second.
	sourceRate, sourceBurst = 5000, 10000
	// Sources that are remembered. All of them are of our networks; beyond it all begin anew.
	maxSources = 65536
)

// limiter holds each source to its rate, so that none takes the others' time.
type limiter struct {
	mu      sync.Mutex // guards sources
	sources map[netip.Addr]*allowance
}

type allowance struct {
	used float64
	last time.Time
}

func newLimiter() *limiter { return &limiter{sources: map[netip.Addr]*allowance{}} }

// take reports whether source may ask one more. The host itself, by a gateway's address, is no
// stranger and isn't limited.
func (l *limiter) take(source netip.Addr, t *table, now time.Time) bool {
	source = source.Unmap()
	if t.isGateway(source) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.sources[source]
	if a == nil {
		if len(l.sources) >= maxSources {
			clear(l.sources)
		}
		a = &allowance{last: now}
		l.sources[source] = a
	}
	if passed := now.Sub(a.last).Seconds(); passed > 0 {
		a.used = max(0, a.used-passed*sourceRate)
	}
	a.last = now
	if a.used+1 > sourceBurst {
		return false
	}
	a.used++
	return true
}

func (t *table) isGateway(a netip.Addr) bool {
	for _, n := range t.zone.Networks {
		if a == n.IPv4.Addr() || a == n.IPv6.Addr() {
			return true
		}
	}
	return false
}
