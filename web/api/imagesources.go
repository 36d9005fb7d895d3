package api

import (
	"context"
	"net/http"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

type outdatedInput struct {
	Age string `query:"age" maxLength:"32" doc:"Also images older than this duration." example:"90d"`
}

type remoteMutation struct {
	Name string `path:"remote" maxLength:"63"`
	Options
	Body *Nothing
}

func (in *remoteMutation) asked() asked {
	return asked{args: inventory.RemoteArgs{Name: in.Name}, options: in.Options}
}

// imageSources registers where images come from and go to, beside recipes and uploads.
func (a *API) imageSources() {
	at := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: path, summary: summary, tag: "images"}
	}
	mutate[onContainer[inventory.PublishArgs]](a, at("image.publish", "POST", "/v1/containers/{name}/publish",
		"Make an image of a stopped container or a snapshot"), false, nil)
	mutate[onHost[inventory.PullArgs]](a, at("image.pull", "POST", "/v1/images/pull",
		"Get an image from a remote"), true, nil)
	export := at("image.export", "GET", "/v1/images/{image}/export", "Read an image as an archive that Incus takes too")
	export.verb = export.id
	a.raw(raw{route: export, status: http.StatusOK, answers: "application/octet-stream", handle: a.exportImage,
		query: []field{{"compression", "string", "zstd, xz, gzip or none; zstd when absent."}}})
	outdated := at("image.outdated", "GET", "/v1/outdated-images", "List the containers and images that are behind")
	remotes := at("image.remote.list", "GET", "/v1/image-remotes", "List the servers images are pulled from")
	outdated.verb, remotes.verb = "image.view", "image.view"
	read(a, outdated, a.outdatedImages)
	read(a, remotes, func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Remote]], error) {
		if err := a.enter(ctx, "image.view"); err != nil {
			return nil, err
		}
		all, err := a.Reads.Remotes(ctx)
		return page(all, wire.FromRemote), err
	})
	browse := at("image.remote.browse", "GET", "/v1/image-remotes/{remote}/images", "Ask a server what images it has for this host")
	browse.verb = browse.id
	read(a, browse, func(ctx context.Context, in *struct {
		Name string `path:"remote" maxLength:"63"`
	}) (*body[wire.Page[inventory.RemoteImage]], error) {
		if a.Images == nil {
			return nil, missing("remotes")
		}
		if err := a.enter(ctx, "image.remote.browse"); err != nil {
			return nil, err
		}
		all, err := a.Images.RemoteImages(ctx, in.Name)
		return page(all, func(i inventory.RemoteImage) inventory.RemoteImage { return i }), err
	})
	mutate[onHost[inventory.RemoteArgs]](a, at("image.remote.add", "POST", "/v1/image-remotes",
		"Name a server that images are pulled from"), true, nil)
	mutate[remoteMutation](a, at("image.remote.remove", "DELETE", "/v1/image-remotes/{remote}",
		"Forget a server; images that came from it stay"), false, nil)
}

func (a *API) outdatedImages(ctx context.Context, in *outdatedInput) (*body[wire.Page[inventory.OutdatedImage]], error) {
	if err := a.enter(ctx, "image.view"); err != nil {
		return nil, err
	}
	var age time.Duration
	if in.Age != "" {
		var err error
		if age, err = inventory.ParseDuration(in.Age); err != nil {
			return nil, err
		}
	}
	images, err := a.Reads.Images(ctx)
	if err != nil {
		return nil, err
	}
	all, err := a.Reads.Containers(ctx, ContainerQuery{})
	if err != nil {
		return nil, err
	}
	seen := all[:0:0]
	for _, c := range all {
		if a.sees(ctx, c) {
			seen = append(seen, c)
		}
	}
	behind := inventory.OutdatedImages(images, seen, age, a.now())
	return page(behind, func(o inventory.OutdatedImage) inventory.OutdatedImage { return o }), nil
}

// exportImage streams. An answer that breaks off is dropped, so that nobody takes it for whole.
func (a *API) exportImage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if a.Images == nil {
		return missing("images to export")
	}
	if err := a.enter(ctx, "image.export"); err != nil {
		return err
	}
	packing := inventory.Packing(orString(r.URL.Query().Get("compression"), string(inventory.PackZstd)))
	if err := inventory.CheckPacking(packing); err != nil {
		return err
	}
	if _, err := a.Reads.Image(ctx, r.PathValue("image")); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := a.Images.Export(ctx, r.PathValue("image"), packing, w); err != nil {
		a.log.Warn("an export broke off", "image", r.PathValue("image"), "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}
