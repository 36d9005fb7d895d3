package wire

import (
	"cmp"
	"time"

	"lodge/inventory"
)

// A DNSRecord is a name that was added to those of the containers.
type DNSRecord struct {
	Name      string    `json:"name" doc:"Below lodge.internal; @ for the domain itself." example:"www"`
	Type      string    `json:"type" example:"CNAME"`
	Data      string    `json:"data" example:"web1"`
	TTL       uint32    `json:"ttl" doc:"Seconds."`
	Reason    string    `json:"reason,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// FromDNSRecord writes a record.
func FromDNSRecord(r inventory.DNSRecord) DNSRecord {
	return DNSRecord{Name: cmp.Or(r.Name, "@"), Type: r.Type, Data: r.Data, TTL: r.TTL, Reason: r.Reason,
		CreatedAt: r.CreatedAt.UTC()}
}
