package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lodge/inventory"
	"lodge/web/wire"
)

// SecretName is the last part of a secret's path.
type SecretName struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the secret."`
}

type secretInput struct {
	SecretName
	Options
	Body wire.SecretValue
}

type secretDeletion struct {
	SecretName
	Options
}

func (in *secretDeletion) asked() asked {
	return asked{args: inventory.SecretNameArgs{Name: in.Name}, options: in.Options}
}

func (a *API) secretRoutes() {
	at := routesBelow("/v1", "secrets")
	read(a, at("secret.list", "secret.view", "GET", "/secrets", "List secrets with who uses them; values are shown to nobody"),
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Secret]], error) {
			if err := a.enter(ctx, "secret.view"); err != nil {
				return nil, err
			}
			if a.Secrets == nil {
				return nil, missing("secrets")
			}
			all, err := a.Secrets.List(ctx)
			return page(all, wire.FromSecret), err
		})
	a.setSecretRoute(at("secret.set", "secret.set", "PUT", "/secrets/{name}", "Set a secret's value, which is shown to nobody again"))
	mutate[secretDeletion](a, at("secret.delete", "", "DELETE", "/secrets/{name}", "Remove a secret"), false, nil)
	mutate[onHost[inventory.SecretRotateArgs]](a, at("secret.rotate", "", "POST", "/secrets/rotate",
		"Make another host key, and seal every secret by it"), false, nil)
}

// setSecretRoute stands apart: the value is sealed before it becomes a parameter, which the operation
// keeps.
func (a *API) setSecretRoute(r route) {
	op := r.operation()
	op.DefaultStatus = http.StatusAccepted
	op.Responses = a.mutationResponses()
	huma.Register(a.huma, op, func(ctx context.Context, in *secretInput) (*answer, error) {
		bodyIsRead(ctx)
		out, err := a.setSecret(ctx, in)
		if err != nil {
			return nil, a.problem(err)
		}
		return out, nil
	})
}

func (a *API) setSecret(ctx context.Context, in *secretInput) (*answer, error) {
	if a.Secrets == nil {
		return nil, missing("secrets")
	}
	sealed, err := a.Secrets.Seal(in.Body.Value)
	if err != nil {
		return nil, err
	}
	req, err := in.request("secret.set", inventory.Ref{}, inventory.SecretArgs{Name: in.Name, Note: in.Body.Note, Sealed: sealed})
	if err != nil {
		return nil, err
	}
	return a.begin(ctx, req, in.Wait)
}
