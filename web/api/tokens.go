package api

import (
	"context"
	"strings"

	"lodge/inventory"
	"lodge/web/wire"
)

// tokenCreation is the input of token.create. One for a container is made by the container's name.
type tokenCreation struct {
	Options
	Body *inventory.TokenArgs
}

func (in *tokenCreation) asked() asked {
	args := *given(in.Body).(*inventory.TokenArgs)
	out := asked{args: args, options: in.Options}
	if name, ok := strings.CutPrefix(args.On, string(inventory.OnContainer)+":"); ok && !inventory.IsID(name) {
		out.ref = inventory.ParseRef(name)
	}
	return out
}

type tokenRevocation struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the token."`
	User string `query:"user" maxLength:"64" doc:"Whose it is; the caller's when absent."`
	Options
}

func (in *tokenRevocation) asked() asked {
	return asked{args: inventory.TokenRevokeArgs{Name: in.Name, User: in.User}, options: in.Options}
}

func (a *API) tokenRoutes() {
	at := routesBelow("/v1", "identity")
	read(a, at("token.list", "token.view", "GET", "/tokens", "List tokens with when they were used last"), a.listTokens)
	mutate[tokenCreation](a, at("token.create", "", "POST", "/tokens",
		"Make a token of a secret that is the caller's to keep"), true, nil)
	mutate[tokenRevocation](a, at("token.revoke", "", "DELETE", "/tokens/{name}", "Let a token open nothing any more"), false, nil)
}

func (a *API) listTokens(ctx context.Context, in *ofUser) (*body[wire.Page[wire.Token]], error) {
	seen, d, err := a.users(ctx, "token.view")
	if err != nil {
		return nil, err
	}
	names, err := a.containerNames(ctx)
	if err != nil {
		return nil, err
	}
	visible := map[inventory.UserID]bool{}
	for _, u := range seen {
		visible[u.ID] = in.User == "" || in.User == u.Name
	}
	tokens := only(d.Tokens(), func(t inventory.Token) bool { return visible[t.User] })
	return page(tokens, func(t inventory.Token) wire.Token { return wire.FromToken(t, d, a.now(), names) }), nil
}
