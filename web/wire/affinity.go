package wire

import (
	"strings"
	"time"

	"lodge/inventory"
)

// An Affinity is one application's rule about sharing a host, with what breaks it now.
type Affinity struct {
	App        string                 `json:"app" doc:"The value of the label app."`
	Form       inventory.AffinityForm `json:"form" enum:"apart,together"`
	Prefer     bool                   `json:"prefer" doc:"A wish: nothing is refused."`
	Members    string                 `json:"members" doc:"A field and the values members have." example:"env=prod,dr"`
	Reason     string                 `json:"reason,omitempty"`
	CreatedAt  time.Time              `json:"created_at"`
	Violations []string               `json:"violations" nullable:"false" doc:"A sentence for each container that breaks it."`
}

// FromAffinity writes a rule.
func FromAffinity(a inventory.Affinity, violations []string) Affinity {
	if violations == nil {
		violations = []string{}
	}
	return Affinity{App: a.App, Form: a.Form, Prefer: a.Prefer,
		Members: a.Field + "=" + strings.Join(a.Values, ","), Reason: a.Reason,
		CreatedAt: a.CreatedAt.UTC(), Violations: violations}
}
