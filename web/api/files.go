package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/wire"
)

// fileQuery are the query parameters of all file routes.
var fileQuery = []field{
	{"project", "string", "Project of the container."},
	{"path", "string", "Absolute path inside the container."},
	{"reason", "string", "Kept in the audit journal."},
	{"ticket", "string", "Kept in the audit journal."},
}

var fileModes = []field{
	{"mode", "string", "Octal permission bits."},
	{"uid", "integer", "As the container sees it."},
	{"gid", "integer", "As the container sees it."},
	{"parents", "boolean", "Make missing folders."},
}

func (a *API) fileRoutes() {
	at := func(id, method, summary string) route {
		return route{id: id, verb: id, method: method, path: "/v1/containers/{name}/files",
			summary: summary, tag: "files"}
	}
	get := at("container.file.read", "GET", "Read a file, or with ?list=true list a folder")
	a.raw(raw{route: get, status: 200, answers: "application/octet-stream", handle: a.getFile,
		query: append([]field{{"list", "boolean", "Answer a page of FileInfo instead of bytes: container.file.list."}}, fileQuery...)})
	a.raw(raw{route: at("container.file.write", "PUT",
		"Write a file; it appears whole or not at all"), status: 204,
		accepts: "application/octet-stream", query: append(fileModes, fileQuery...), handle: a.putFile})
	mkdir := at("container.file.mkdir", "POST", "Make a folder")
	mkdir.verb = "container.file.write"
	a.raw(raw{route: mkdir, status: 204, query: append(fileModes, fileQuery...), handle: a.makeFolder})
	a.raw(raw{route: at("container.file.delete", "DELETE", "Remove a file or an empty folder"), status: 204,
		query: fileQuery, handle: a.deleteFile})
	a.variant("GET", get.path, "list=true", "container.file.list")

	log := route{id: "container.console-log", verb: "container.console-log", method: "GET",
		path: "/v1/containers/{name}/console/log", summary: "Read what a container wrote to its console", tag: "containers"}
	a.raw(raw{route: log, status: 200, answers: "text/plain", query: fileQuery[:1], handle: a.consoleLog})
}

// variant notes that a query parameter makes an operation another verb.
func (a *API) variant(method, path, query, verb string) {
	for _, op := range operationsOf(a.huma.OpenAPI().Paths[path]) {
		if op.Method == method {
			op.Extensions["x-lodge-verb-variants"] = map[string]string{query: verb}
		}
	}
}

// fileRequest makes what is asked of the gate from a request's path and query.
func (a *API) fileRequest(r *http.Request, verb string, folder bool) (gate.Request, error) {
	if a.Files == nil {
		return gate.Request{}, missing("file service")
	}
	q := r.URL.Query()
	args := inventory.FileArgs{Path: q.Get("path"), Mode: q.Get("mode"), UID: number(q, "uid"),
		GID:     number(q, "gid"),
		Parents: flag(q, "parents"), Directory: folder}
	if args.Path == "" {
		return gate.Request{}, inventory.Errorf(inventory.ErrInvalid,
			"a file needs a path; give ?path=/etc/hostname")
	}
	raw, err := json.Marshal(args)
	return gate.Request{Verb: verb, Ref: refOf(r), Args: raw, Reason: q.Get("reason"),
		Ticket: q.Get("ticket")}, err
}

// refOf names the container of a plain handler's request.
func refOf(r *http.Request) inventory.Ref {
	return inventory.Ref{Project: orString(r.URL.Query().Get("project"), inventory.DefaultProject),
		Name: r.PathValue("name")}
}

func number(q url.Values, name string) *int {
	n, err := strconv.Atoi(q.Get(name))
	if err != nil {
		return nil
	}
	return &n
}

func (a *API) getFile(w http.ResponseWriter, r *http.Request) error {
	if flag(r.URL.Query(), "list") {
		return a.listFiles(w, r)
	}
	req, err := a.fileRequest(r, "container.file.read", false)
	if err != nil {
		return err
	}
	info, content, err := a.Files.ReadFile(r.Context(), req)
	if err != nil {
		return err
	}
	defer content.Close()
	about, err := json.Marshal(info)
	if err != nil {
		return err
	}
	w.Header().Set(wire.FileHeader, string(about))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff") // bytes of a container are nothing to be run
	// No Content-Length: the file may grow while it is read, and what /proc holds has no size.
	a.copy(w, content, r)
	return nil
}

// copy streams to the caller. The status is out: what breaks now can only break the connection, so
// that the caller sees a short body and not a whole file.
func (a *API) copy(w http.ResponseWriter, content io.Reader, r *http.Request) {
	if _, err := io.Copy(w, content); err != nil {
		a.log.Warn("download broke off", "path", r.URL.Path, "error", err)
		panic(http.ErrAbortHandler)
	}
}

func (a *API) listFiles(w http.ResponseWriter, r *http.Request) error {
	req, err := a.fileRequest(r, "container.file.list", false)
	if err != nil {
		return err
	}
	all, err := a.Files.ListFiles(r.Context(), req)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page(all, func(f inventory.FileInfo) wire.FileInfo { return f }).Body)
	return nil
}

func (a *API) putFile(w http.ResponseWriter, r *http.Request) error {
	req, err := a.fileRequest(r, "container.file.write", false)
	if err == nil {
		err = a.Files.WriteFile(r.Context(), req, r.Body)
	}
	return done(w, err)
}

func (a *API) makeFolder(w http.ResponseWriter, r *http.Request) error {
	req, err := a.fileRequest(r, "container.file.write", true)
	if err == nil {
		err = a.Files.WriteFile(r.Context(), req, http.NoBody)
	}
	return done(w, err)
}

func (a *API) deleteFile(w http.ResponseWriter, r *http.Request) error {
	req, err := a.fileRequest(r, "container.file.delete", false)
	if err == nil {
		err = a.Files.DeleteFile(r.Context(), req)
	}
	return done(w, err)
}

func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (a *API) consoleLog(w http.ResponseWriter, r *http.Request) error {
	if a.Console == nil {
		return missing("console log")
	}
	ref := refOf(r)
	c, err := a.container(r.Context(), "container.console-log",
		Target{Name: ref.Name, Project: ref.Project})
	if err != nil {
		return err
	}
	content, err := a.Console.ConsoleLog(r.Context(), c)
	if err != nil {
		return err
	}
	defer content.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	a.copy(w, content, r)
	return nil
}
