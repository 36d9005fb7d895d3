package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// Policies are what requests are judged by.
type Policies interface {
	// Policies are those in force.
	Policies(ctx context.Context) (inventory.Policies, error)
	// Answer says what would become of a request, without doing anything.
	Answer(ctx context.Context, q inventory.PolicyQuestion) (inventory.PolicyAnswer, error)
}

// PolicyReads tell what the site's policies were, and what is expected of them.
type PolicyReads interface {
	// PolicyVersions returns the newest first, without their texts.
	PolicyVersions(ctx context.Context) ([]inventory.PolicyVersion, error)
	// PolicyVersion returns one; ErrNotFound if there is none of that number.
	PolicyVersion(ctx context.Context, version int64) (inventory.PolicyVersion, error)
	// Expectations returns the oldest first.
	Expectations(ctx context.Context) ([]inventory.Expectation, error)
}

// versionQuery names a version of the policies.
type versionQuery struct {
	Version int64 `path:"version" minimum:"1"`
}

// expectationMutation is the input of a verb on one expectation.
type expectationMutation struct {
	ID int64 `path:"id" minimum:"1"`
	Options
	Body *Nothing
}

func (in *expectationMutation) asked() asked {
	return asked{args: inventory.UnexpectArgs{ID: in.ID}, options: in.Options}
}

// policyQuestion is what is asked of the policies.
type policyQuestion struct{ Body inventory.PolicyQuestion }

func (a *API) policyRoutes() {
	const tag = "policies"
	read(a, route{id: "policy.list", verb: "policy.view", method: "GET", path: "/v1/policies", tag: tag,
		summary: "Show the policies in force, and what policies may speak of"},
		entered(a, "policy.view", func(ctx context.Context, _ *struct{}) (inventory.Policies, error) {
			if a.Policies == nil {
				return inventory.Policies{}, missing("policies")
			}
			return a.Policies.Policies(ctx)
		}))
	read(a, route{id: "policy.test", verb: "policy.test", method: "POST", path: "/v1/policies/test", tag: tag, bytes: maxBody,
		summary: "Say what would become of a request, and by which policies"},
		entered(a, "policy.test", func(ctx context.Context, in *policyQuestion) (inventory.PolicyAnswer, error) {
			if a.Policies == nil {
				return inventory.PolicyAnswer{}, missing("policies")
			}
			return a.Policies.Answer(ctx, in.Body)
		}))
	read(a, route{id: "policy.versions", verb: "policy.view", method: "GET", path: "/v1/policies/versions", tag: tag,
		summary: "List the versions of the site's policies"},
		entered(a, "policy.view", func(ctx context.Context, _ *struct{}) (wire.Page[inventory.PolicyVersion], error) {
			all, err := a.Reads.PolicyVersions(ctx)
			return wire.Page[inventory.PolicyVersion]{Items: append([]inventory.PolicyVersion{}, all...)}, err
		}))
	read(a, route{id: "policy.version", verb: "policy.view", method: "GET", path: "/v1/policies/versions/{version}", tag: tag,
		summary: "Show one version of the site's policies"},
		entered(a, "policy.view", func(ctx context.Context, in *versionQuery) (inventory.PolicyVersion, error) {
			return a.Reads.PolicyVersion(ctx, in.Version)
		}))
	read(a, route{id: "policy.expectations", verb: "policy.view", method: "GET", path: "/v1/policies/expectations", tag: tag,
		summary: "List the decisions the site expects of its policies"},
		entered(a, "policy.view", func(ctx context.Context, _ *struct{}) (wire.Page[inventory.Expectation], error) {
			all, err := a.Reads.Expectations(ctx)
			return wire.Page[inventory.Expectation]{Items: append([]inventory.Expectation{}, all...)}, err
		}))
	mutate[onHost[inventory.PolicyArgs]](a, route{id: "policy.set", method: "POST", path: "/v1/policies", tag: tag,
		summary: "Replace the site's policies, or go back to an earlier version"}, true, nil)
	mutate[onHost[inventory.ExpectArgs]](a, route{id: "policy.expect.add", method: "POST", path: "/v1/policies/expectations",
		tag: tag, summary: "Expect a decision of the policies from now on"}, true, nil)
	mutate[expectationMutation](a, route{id: "policy.expect.remove", method: "DELETE", path: "/v1/policies/expectations/{id}",
		tag: tag, summary: "Expect a decision no more"}, false, nil)
}

// entered is the handler of a read that is on no container: it passes the gate, then looks.
func entered[I, O any](a *API, verb string, look func(context.Context, *I) (O, error)) func(context.Context, *I) (*body[O], error) {
	return func(ctx context.Context, in *I) (*body[O], error) {
		if err := a.enter(ctx, verb); err != nil {
			return nil, err
		}
		out, err := look(ctx, in)
		return &body[O]{Body: out}, err
	}
}
