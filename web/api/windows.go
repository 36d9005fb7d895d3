package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// WindowReads find the windows in which containers may be changed.
type WindowReads interface {
	// Windows are sorted by name.
	Windows(ctx context.Context) ([]inventory.Window, error)
}

// WindowPath names a window.
type WindowPath struct {
	Name string `path:"name" maxLength:"63" doc:"Name of the window."`
}

type windowMutation struct {
	WindowPath
	Options
	Body *Nothing
}

func (in *windowMutation) asked() asked {
	return asked{args: inventory.WindowNameArgs{Name: in.Name}, options: in.Options}
}

func (a *API) windowRoutes() {
	tag := "windows"
	read(a, route{id: "window.list", verb: "window.view", method: "GET", path: "/v1/windows", tag: tag,
		summary: "List windows and freezes, with when they open next"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Window]], error) {
			all, err := a.windows(ctx)
			return page(all, func(w wire.Window) wire.Window { return w }), err
		})
	read(a, route{id: "window.show", verb: "window.view", method: "GET", path: "/v1/windows/{name}", tag: tag,
		summary: "Show a window"},
		func(ctx context.Context, in *WindowPath) (*body[wire.Window], error) {
			all, err := a.windows(ctx)
			for _, w := range all {
				if w.Name == in.Name {
					return &body[wire.Window]{Body: w}, nil
				}
			}
			if err == nil {
				err = inventory.Errorf(inventory.ErrNotFound, "there is no window %s; 'lodge window list' shows those there are", in.Name)
			}
			return nil, err
		})
	mutate[onHost[inventory.WindowArgs]](a, route{id: "window.create", method: "POST", path: "/v1/windows", tag: tag,
		summary: "Say when containers may be changed, or may not"}, true, nil)
	mutate[windowMutation](a, route{id: "window.remove", method: "DELETE", path: "/v1/windows/{name}", tag: tag,
		summary: "Remove a window"}, false, nil)
}

func (a *API) windows(ctx context.Context) ([]wire.Window, error) {
	if err := a.enter(ctx, "window.view"); err != nil {
		return nil, err
	}
	all, err := a.Reads.Windows(ctx)
	out := make([]wire.Window, len(all))
	for i, w := range all {
		out[i] = wire.FromWindow(w, a.now())
	}
	return out, err
}
