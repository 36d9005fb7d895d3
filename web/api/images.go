package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/wire"
)

// ImageName is the last part of an image's path. An alias has slashes: write them as %2F.
type ImageName struct {
	Image string `path:"image" maxLength:"128" doc:"Alias (its slashes as %2F) or digest."`
}

type imageMutation struct {
	ImageName
	Options
	Body *Nothing
}

func (in *imageMutation) asked() asked {
	return asked{args: inventory.ImageArgs{Image: in.Image}, options: in.Options}
}

// optionQuery are the query parameters every mutation has, for the plain handler.
var optionQuery = []field{
	{"plan", "boolean", "Show what would change and stop."},
	{"wait", "string", "Wait that long for the operation to end."},
	{"reason", "string", "Kept in the operation and the audit journal."},
	{"ticket", "string", "Kept in the operation and the audit journal."},
}

func (a *API) imageRoutes() {
	at := func(id, method, rest, summary string) route {
		return route{id: id, method: method, path: "/v1/images" + rest, summary: summary, tag: "images"}
	}
	list := at("image.list", "GET", "", "List images, newest first")
	show := at("image.show", "GET", "/{image}", "Show an image with its packages and build record")
	list.verb, show.verb = "image.view", "image.view"
	read(a, list, a.listImages)
	read(a, show, func(ctx context.Context, in *ImageName) (*body[wire.Image], error) {
		if err := a.enter(ctx, "image.view"); err != nil {
			return nil, err
		}
		i, err := a.Reads.Image(ctx, in.Image)
		if err == nil && !a.seesImages(ctx) {
			err = inventory.Errorf(inventory.ErrNotFound, "there is no image %s", in.Image)
		}
		return &body[wire.Image]{Body: wire.FromImage(i, true)}, err
	})
	mutate[onHost[inventory.BuildArgs]](a, at("image.build", "POST", "/build",
		"Build an image from a recipe"), true, nil)
	mutate[onHost[inventory.ImageArgs]](a, at("image.alias", "POST", "/alias",
		"Give an image another alias"), true, nil)
	mutate[imageMutation](a, at("image.delete", "DELETE", "/{image}", "Remove an image"), false, nil)
	load := at("image.import", "POST", "/import", "Import an archive of a root file system")
	load.verb = load.id
	a.raw(raw{route: load, mutation: true, accepts: "application/octet-stream",
		headers: []string{"Idempotency-Key"},
		query: append([]field{{"alias", "string", "Name of the image."},
			{"source", "string", "Name of the file as the caller knows it."},
			{"metadata_bytes", "integer", "How much of the body, from its beginning, is the metadata archive of an image in two files."},
			{"expires", "string", "A duration."}}, optionQuery...), handle: a.importImage})
	a.imageSources()
	a.exports()
}

// seesImages reports whether the caller may see the host's images: who could make a container of one may,
// and who sees the host.
func (a *API) seesImages(ctx context.Context) bool {
	p, ok := inventory.PrincipalFrom(ctx)
	return ok && (a.Rights.Allowed(p, inventory.RightCreate, nil) || a.sees(ctx, nil))
}

func (a *API) listImages(ctx context.Context, in *Paging) (*body[wire.Page[wire.Image]], error) {
	if err := a.enter(ctx, "image.view"); err != nil {
		return nil, err
	}
	skip, err := in.decodeNumber()
	if err != nil {
		return nil, err
	}
	all, err := a.Reads.Images(ctx)
	if !a.seesImages(ctx) {
		all = nil
	}
	return cut(all, int(skip), in.limit(defaultPage),
		func(i inventory.Image) wire.Image { return wire.FromImage(i, false) }), err
}

// importImage spools the archive and hands its name to the verb, which takes the file over. The
// caller's right is asked for first, so that nobody fills the disk without it.
func (a *API) importImage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := a.enter(ctx, "image.upload"); err != nil {
		return err
	}
	path, err := a.spool(r.Body)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	options := optionsOf(q, r.Header)
	metadata, _ := strconv.ParseInt(q.Get("metadata_bytes"), 10, 64) // raw.check has seen that it is one
	req, err := options.request("image.import", inventory.Ref{}, inventory.ImportArgs{Alias: q.Get("alias"),
		Upload: filepath.Base(path), Source: q.Get("source"), Expires: q.Get("expires"), MetadataBytes: metadata})
	if err != nil {
		os.Remove(path)
		return err
	}
	return a.beginWith(ctx, w, req, options.Wait, path)
}

// beginWith begins what works on a file that was sent along. The file goes if no operation took it
// over: a refusal, a plan, or one that ran before.
func (a *API) beginWith(ctx context.Context, w http.ResponseWriter, req gate.Request, wait, path string) error {
	out, err := a.begin(ctx, req, wait)
	if err != nil || !uses(out.Body, path) {
		os.Remove(path)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", out.Location)
	writeJSON(w, out.Status, out.Body)
	return nil
}

func optionsOf(q url.Values, h http.Header) Options {
	return Options{Plan: flag(q, "plan"), Wait: q.Get("wait"), Reason: q.Get("reason"),
		Ticket: q.Get("ticket"),
		Key:    h.Get("Idempotency-Key")}
}

// uses reports whether an answer is, or will become, an operation on the spooled file.
func uses(answer any, path string) bool {
	name := `"` + filepath.Base(path) + `"`
	switch v := answer.(type) {
	case wire.Operation:
		return strings.Contains(string(v.Parameters), name)
	case wire.Change:
		return true // held: the file has to be there when it is released
	}
	return false
}

// spool writes an upload to a file of its own and returns its path. Nothing is left after an
// error. After a crash the file stays; the agent empties the folder when it starts.
func (a *API) spool(content io.Reader) (path string, err error) {
	if a.Uploads == "" {
		return "", missing("folder for uploads")
	}
	path = filepath.Join(a.Uploads, inventory.NewID(a.now()))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(path)
		}
	}()
	n, err := io.Copy(f, io.LimitReader(content, a.UploadLimit+1))
	if err == nil && n > a.UploadLimit {
		err = inventory.Errorf(inventory.ErrQuota,
			"the archive is larger than the %s an upload may have", inventory.Bytes(a.UploadLimit))
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = inventory.Errorf(inventory.ErrQuota, "the disk of %s is full; free some space and send it again", a.Uploads)
	}
	return path, err
}
