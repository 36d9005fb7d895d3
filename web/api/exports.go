package api

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"lodge/inventory"
)

// maxParameters bounds the parameters that come before an archive.
const maxParameters = 1 << 20

// exports registers what takes containers of other managers.
func (a *API) exports() {
	r := route{id: "container.import", verb: "container.import", method: "POST", path: "/v1/containers/import",
		summary: "Make a container of an export of Incus or LXD", tag: "containers"}
	a.raw(raw{route: r, mutation: true, accepts: "application/octet-stream", headers: []string{"Idempotency-Key"},
		query: append([]field{{"source", "string", "Name of the file as the caller knows it."},
			{"parameters_bytes", "integer", "How much of the body, from its beginning, is the parameters: " +
				"a JSON object as for creating a container. What it leaves out the export says."}},
			optionQuery...), handle: a.importContainer})
}

// importContainer spools the archive that follows the parameters and hands its name to the verb; see
// importImage.
func (a *API) importContainer(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := a.enter(ctx, "container.upload"); err != nil {
		return err
	}
	q := r.URL.Query()
	options := optionsOf(q, r.Header)
	args := inventory.ImportContainerArgs{Source: q.Get("source")}
	length, _ := strconv.ParseInt(q.Get("parameters_bytes"), 10, 64) // raw.check has seen that it is one
	if err := readParameters(r.Body, length, &args.CreateArgs); err != nil {
		return err
	}
	path, err := a.spool(r.Body)
	if err != nil {
		return err
	}
	args.Upload = filepath.Base(path)
	req, err := options.request("container.import", inventory.Ref{}, args)
	if err != nil {
		os.Remove(path)
		return err
	}
	return a.beginWith(ctx, w, req, options.Wait, path)
}

// readParameters reads the JSON that comes before an archive.
func readParameters(from io.Reader, length int64, into any) error {
	if length < 0 || length > maxParameters {
		return inventory.Errorf(inventory.ErrInvalid, "the parameters may have up to %s", inventory.Bytes(maxParameters))
	}
	raw := make([]byte, length)
	if _, err := io.ReadFull(from, raw); err != nil {
		return inventory.Errorf(inventory.ErrInvalid, "the request ends before its parameters do")
	}
	return inventory.DecodeArgs(json.RawMessage(raw), into)
}
