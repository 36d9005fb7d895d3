package inventory

import "time"

// A DNSRecord is a name that was added to those of the containers.
type DNSRecord struct {
	Name string // below lodge.internal, without it; "" for the domain itself
	Type string // in capitals: "CNAME"
	Data string // as in a zone file
	TTL  uint32 // seconds

	Reason    string
	CreatedAt time.Time
}

// DNSRecordArgs are the parameters of dns.add and dns.remove.
type DNSRecordArgs struct {
	Name string `json:"name" doc:"The name below lodge.internal, like www or _http._tcp.shop; @ for the domain itself." example:"www" maxLength:"230"`
	Type string `json:"type" enum:"A,AAAA,CNAME,TXT,MX,SRV,CAA,SSHFP" example:"CNAME"`
	Data string `json:"data" doc:"As in a zone file; names in it end with a dot or lie below lodge.internal." example:"web1" maxLength:"1024"`
	TTL  uint32 `json:"ttl,omitempty" doc:"Seconds others may keep it; 60 when 0." maximum:"86400"`
}
