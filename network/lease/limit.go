package lease

import (
	"sync"
	"time"
)

const (
	// A client that starts needs some ten packets, and a handful an hour from then on.
	clientBurst = 20
	clientRate  = 4 // packets a second
)

// bucket is how many packets one client may have answered now.
type bucket struct {
	mu   sync.Mutex
	used float64
	last time.Time
}

// take reports whether one more packet is within the limit. A clock that goes back gives nothing and
// takes nothing.
func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := now.Sub(b.last).Seconds(); passed > 0 && !b.last.IsZero() {
		b.used = max(0, b.used-passed*clientRate)
	}
	b.last = now
	if b.used+1 > clientBurst {
		return false
	}
	b.used++
	return true
}
