package network

import (
	"context"
	"encoding/json"
)

// Forged is how many frames of one kind an interface has sent that it may not.
type Forged struct {
	Interface string // the host's end
	Kind      string // ForgedMAC and so on
	Packets   uint64
}

// Forged counts what was dropped on the interfaces of a bridge, since their rules were written.
func (s *Service) Forged(ctx context.Context, bridge string) ([]Forged, error) {
	text, err := nftList(ctx, "-j", "list", "table", "netdev", tableName(bridge))
	if err != nil || text == nil {
		return nil, err
	}
	return parseForged(text)
}

func parseForged(text []byte) ([]Forged, error) {
	var doc struct {
		Nftables []struct {
			Rule *struct {
				Chain   string
				Comment string
				Expr    []struct{ Counter *struct{ Packets uint64 } }
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	var out []Forged
	for _, item := range doc.Nftables {
		if item.Rule == nil || item.Rule.Comment == "" {
			continue
		}
		for _, e := range item.Rule.Expr {
			if e.Counter != nil {
				out = append(out, Forged{item.Rule.Chain, item.Rule.Comment, e.Counter.Packets})
			}
		}
	}
	return out, nil
}
