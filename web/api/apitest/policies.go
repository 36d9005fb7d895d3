package apitest

import (
	"context"

	"lodge/inventory"
)

// site is the one version the fake agent's policies have.
var site = inventory.PolicyVersion{Version: 1, Text: "@id(\"no-stops\") forbid (principal, action, resource);\n", Policies: 1, By: "root", CreatedAt: start}

func (w reads) PolicyVersions(context.Context) ([]inventory.PolicyVersion, error) {
	return []inventory.PolicyVersion{site}, nil
}

func (w reads) PolicyVersion(_ context.Context, version int64) (inventory.PolicyVersion, error) {
	if version != site.Version {
		return site, inventory.Errorf(inventory.ErrNotFound, "there is no version %d of the site's policies", version)
	}
	return site, nil
}

func (w reads) Expectations(context.Context) ([]inventory.Expectation, error) {
	return []inventory.Expectation{{ID: 1, As: "dev1", Verb: "container.purge", On: "db1", Want: "deny", By: "root", CreatedAt: start}}, nil
}
