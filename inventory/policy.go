package inventory

import "time"

// A PolicyVersion is the policies of a site, as they were in force from CreatedAt until the next
// version.
type PolicyVersion struct {
	Version   int64       `json:"version" doc:"Counted from 1."`
	Text      string      `json:"text,omitempty" doc:"Cedar; left out of lists."`
	Policies  int         `json:"policies" doc:"How many there are."`
	SHA256    string      `json:"sha256" doc:"Of the text, in hexadecimal."`
	Operation OperationID `json:"operation"`
	Change    ChangeID    `json:"change,omitempty" doc:"Which others agreed to, if it was held."`
	By        string      `json:"by"`
	Reason    string      `json:"reason,omitempty"`
	Ticket    string      `json:"ticket,omitempty"`
	CreatedAt time.Time   `json:"created_at"`
}

// PolicyArgs are the parameters of policy.set: a text, or an earlier version to go back to.
type PolicyArgs struct {
	Text   string `json:"text,omitempty" maxLength:"262144" doc:"Cedar; what it leaves out is no policy any more."`
	Revert *int64 `json:"revert,omitempty" doc:"Go back to that version; 0 is no policies."`
	// Base is the version that is replaced; the gate's plan carries it.
	Base int64 `json:"base,omitempty" doc:"The version the caller saw; 0: whichever is in force."`
}

// PolicyEffect is what a policy says where it matches.
type PolicyEffect string

const (
	PolicyPermits PolicyEffect = "permit"
	PolicyForbids PolicyEffect = "forbid"
	PolicyHolds   PolicyEffect = "hold" // until what it asks for is met
	PolicyFails   PolicyEffect = "error"
)

// A PolicyRow is one policy in force.
type PolicyRow struct {
	Name   string       `json:"name"`
	Base   bool         `json:"base" doc:"Part of the agent; can't be removed."`
	Effect PolicyEffect `json:"effect" enum:"permit,forbid,hold"`
	Needs  string       `json:"needs,omitempty" doc:"What it holds for: 1 approval by approver."`
	Reason string       `json:"reason,omitempty"`
	Line   int          `json:"line" doc:"Where it stands in its text."`
}

// Policies are those in force.
type Policies struct {
	Version  int64       `json:"version" doc:"Of the site's policies; 0: there are none."`
	Revision string      `json:"revision" doc:"Of base and site together, as plans carry it."`
	Rows     []PolicyRow `json:"rows" nullable:"false"`
	Text     string      `json:"text" doc:"The site's policies."`
	BaseText string      `json:"base_text"`
	Schema   string      `json:"schema" doc:"What policies may speak of."`
	Broken   string      `json:"broken,omitempty" doc:"Why the site's policies can't be read; nothing is allowed then but to root with --break-glass."`
}

// A PolicyQuestion is asked of the policies without doing anything.
type PolicyQuestion struct {
	As   string   `json:"as,omitempty" doc:"A user; role:ROLE, group:GROUP, root; empty for the caller."`
	Ask  []string `json:"ask" minItems:"1" maxItems:"8" doc:"Words of a command, or a verb, and a container: delete db1; container.delete db1. In place of a name, facts: env=prod,label.tier=db."`
	Set  []string `json:"set,omitempty" maxItems:"50" doc:"What the plan would change: env=dev."`
	Text *string  `json:"text,omitempty" maxLength:"262144" doc:"Policies to ask in place of the site's."`
	// Project is where a bare name is looked for.
	Project string `json:"project,omitempty"`
}

// A PolicyMatch is a policy that had its part in an answer.
type PolicyMatch struct {
	Name    string       `json:"name"`
	Base    bool         `json:"base,omitempty"`
	Effect  PolicyEffect `json:"effect" enum:"permit,forbid,hold,error"`
	Reason  string       `json:"reason,omitempty"`
	Missing string       `json:"missing,omitempty" doc:"What it holds for and is not there."`
}

// A PolicyAnswer says what would become of a request.
type PolicyAnswer struct {
	Verdict  string        `json:"verdict" enum:"allow,deny,hold"`
	Reasons  []string      `json:"reasons,omitempty"`
	Needs    []Condition   `json:"needs,omitempty" doc:"For hold: what it waits for."`
	Verb     string        `json:"verb"`
	As       string        `json:"as"`
	On       string        `json:"on,omitempty"`
	Right    Right         `json:"right" doc:"Which the verb takes."`
	HasRight bool          `json:"has_right"`
	Roles    []Role        `json:"roles" nullable:"false" doc:"Held on it."`
	Groups   []string      `json:"groups,omitempty"`
	Policies []PolicyMatch `json:"policies" nullable:"false"`
	Revision string        `json:"revision"`
}

// An Expectation is a decision a site wants its policies to make. Policies that decide otherwise are
// refused.
type Expectation struct {
	ID        int64     `json:"id"`
	As        string    `json:"as" example:"dev1"`
	Verb      string    `json:"verb" example:"container.delete"`
	On        string    `json:"on,omitempty" example:"db1"`
	Want      string    `json:"want" enum:"allow,deny,hold,pass" doc:"pass: allow or hold."`
	Note      string    `json:"note,omitempty"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
}

// ExpectArgs are the parameters of policy.expect.add.
type ExpectArgs struct {
	As      string   `json:"as" maxLength:"64"`
	Ask     []string `json:"ask" minItems:"1" maxItems:"8"`
	Want    string   `json:"want" enum:"allow,deny,hold,pass"`
	Note    string   `json:"note,omitempty" maxLength:"200"`
	Project string   `json:"project,omitempty" maxLength:"63"`
}

// UnexpectArgs are the parameters of policy.expect.remove.
type UnexpectArgs struct {
	ID int64 `json:"id" minimum:"1"`
}
