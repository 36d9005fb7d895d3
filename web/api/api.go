package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"lodge/inventory"
)

// maxBody bounds a JSON body: the longest parameter is a cloud-init document.
const maxBody = 1 << 20

// breakGlass is the header by which root asks to pass without what policies ask for.
const breakGlass = "Lodge-Break-Glass"

// An API is the handler of all routes. Safe for concurrent use.
type API struct {
	Config
	log  *slog.Logger
	now  func() time.Time
	mux  *http.ServeMux
	huma huma.API

	closing   chan struct{} // closed at shutdown: ends the streams that never end by themselves
	close     sync.Once
	answering answering
}

// New returns the handler. It may be given to any server; Server makes the one for a Unix socket.
func New(cfg Config) *API {
	a := &API{Config: cfg, log: cfg.Log, now: cfg.Now, mux: http.NewServeMux(),
		closing: make(chan struct{})}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.UploadLimit == 0 {
		a.UploadLimit = 16 << 30
	}
	a.huma = humago.New(a.mux, a.humaConfig())
	a.routes()
	a.mux.HandleFunc("/", a.noRoute)
	return a
}

func (a *API) humaConfig() huma.Config {
	cfg := huma.DefaultConfig("Lodge", a.Version)
	cfg.Info.Description = "Runs OS containers the way virtual machines are run. " +
		"Long work answers 202 with an operation; errors are RFC 9457 problems."
	cfg.CreateHooks = nil // they add $schema, with the Host header in it, to every body
	cfg.OpenAPIPath = "/v1/openapi"
	cfg.DocsPath, cfg.SchemasPath = "", "" // the docs page loads scripts from elsewhere
	cfg.RejectUnknownQueryParameters = true
	return cfg
}

// routes registers everything. The order is that of the OpenAPI document's reader, no more.
func (a *API) routes() {
	a.containerReads()
	a.containerMutations()
	a.snapshotRoutes()
	a.leaseRoutes()
	a.sudoRoutes()
	a.deviceRoutes()
	a.volumeRoutes()
	a.fileRoutes()
	a.sessionRoutes()
	a.imageRoutes()
	a.projectRoutes()
	a.specRoutes()
	a.operationRoutes()
	a.changeRoutes()
	a.windowRoutes()
	a.eventRoutes()
	a.auditRoutes()
	a.proofRoutes()
	a.hostRoutes()
	a.affinityRoutes()
	a.identityRoutes()
	a.roleRoutes()
	a.tokenRoutes()
	a.secretRoutes()
	a.sshRoutes()
	a.revocationRoutes()
	a.authorityRoutes()
	a.dnsRoutes()
	a.inventoryRoutes()
	a.networkRoutes()
	a.poolRoutes()
	a.firewallRoutes()
	a.policyRoutes()
	a.loosen()
}

// ServeHTTP refuses callers the door could not name, and answers all others.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.recover(w, r)
	r, done := a.answering.begin(w, r) // before it is asked who calls: what changes then is seen here or there
	defer done()
	ctx, err := a.identified(r)
	if err != nil {
		a.write(w, err)
		return
	}
	if p, ok := inventory.PrincipalFrom(ctx); ok && r.Header.Get(breakGlass) == "true" {
		p.Override = true // whether they may is for the policies to say
		ctx = inventory.WithPrincipal(ctx, p)
	}
	a.mux.ServeHTTP(w, r.WithContext(context.WithValue(ctx, writerKey{}, w)))
	if context.Cause(ctx) == errNobody {
		panic(http.ErrAbortHandler) // what was sent is not all, and the connection is for nobody
	}
}

// recover keeps a mistake in one handler from looking like a dead agent.
func (a *API) recover(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause) // net/http's own way to drop a connection
	}
	// Headers may be out already; then the answer is lost, and the log has the cause.
	a.write(w, fmt.Errorf("%s %s panicked: %v\n%s", r.Method, r.URL.Path, cause, debug.Stack()))
}

func (a *API) noRoute(w http.ResponseWriter, r *http.Request) {
	a.write(w, inventory.Errorf(inventory.ErrNotFound,
		"there is no %s %s in this API; see /v1/openapi.yaml", r.Method, r.URL.Path))
}

// missing is the answer of a service that is not there.
func missing(what string) error {
	return inventory.Errorf(inventory.ErrUnavailable, "this agent has no %s", what)
}
