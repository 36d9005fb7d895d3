package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/api"
	"lodge/web/api/apitest"
	"lodge/web/client"
	"lodge/web/wire"
)

// open serves the world and returns a client of it. The tests' own user has to be let in, so its
// group stands for lodge when it isn't root.
func open(t testing.TB, cfg api.Config) (*client.Client, string) {
	t.Helper()
	cfg.Group = ownGroup(t)
	path := apitest.Serve(t, cfg)
	c, err := client.Dial("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, path
}

// send makes a plain HTTP request, for what the client never sends.
func send(t testing.TB, socket, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}, DisableKeepAlives: true}
	req, err := http.NewRequest(method, "http://lodge"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp, string(raw)
}

func ref(name string) inventory.Ref { return inventory.Ref{Name: name} }

func TestLifeOfAContainer(t *testing.T) {
	w := apitest.New()
	c, _ := open(t, w.Config())
	ctx := t.Context()
	a, err := c.Create(ctx, inventory.CreateArgs{Image: "debian/12", Name: "web1", Purpose: "shop front",
		Settings: map[string]string{"memory": "1GiB"}}, true, client.Options{Wait: time.Minute, Reason: "new shop", Ticket: "OPS-7"})
	if err != nil {
		t.Fatal(err)
	}
	if a.Operation == nil || a.Operation.State != inventory.OperationDone || a.Operation.Verb != "container.launch" {
		t.Fatalf("launch gave %+v", a.Operation)
	}
	if a.Operation.Reason != "new shop" || a.Operation.Ticket != "OPS-7" {
		t.Errorf("reason %q, ticket %q", a.Operation.Reason, a.Operation.Ticket)
	}
	got, err := c.Container(ctx, ref("web1"))
	if err != nil {
		t.Fatal(err)
	}
	if got.State != "running" || got.Observed.State != "running" || got.NICs[0].IPv4 == "" || got.Owner == "" {
		t.Errorf("show gave %+v", got)
	}
	if got.Limits != (wire.Limits{CPUs: "1", Memory: "1GiB", Disk: "10GiB"}) {
		t.Errorf("limits are %+v", got.Limits)
	}
	want := map[string]string{"cpus": "default", "memory": "container", "disk": "default"}
	for _, v := range got.Effective {
		if want[v.Setting] != v.Origin {
			t.Errorf("%s comes from %q, not from %q", v.Setting, v.Origin, want[v.Setting])
		}
	}
	if _, err := c.Stop(ctx, ref("web1"), inventory.StopArgs{Timeout: "5s"}, client.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if stats, err := c.Stats(ctx, ref("web1")); err != nil || stats.Observed.State != "stopped" || stats.Limits.Memory != "1GiB" {
		t.Errorf("stats are %+v, %v", stats, err)
	}
	if _, err := c.Stop(ctx, ref("web1"), inventory.StopArgs{}, client.Options{}); !errors.Is(err, inventory.ErrState) {
		t.Errorf("stopping a stopped container gave %v", err)
	}
	if _, err := c.Delete(ctx, ref("web1"), false, client.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if all, err := c.AllContainers(ctx, client.ContainerQuery{}); err != nil || len(all) != 0 {
		t.Errorf("after delete the list has %d, %v", len(all), err)
	}
	if all, err := c.AllContainers(ctx, client.ContainerQuery{Trash: true}); err != nil || len(all) != 1 {
		t.Errorf("the trash has %d, %v", len(all), err)
	}
	if _, err := c.Delete(ctx, ref("web1"), true, client.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Container(ctx, ref("web1")); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("after purge show gave %v", err)
	}
	history, err := c.AuditRecords(ctx, client.RecordQuery{Verb: "container.purge"})
	if err != nil || len(history.Items) != 1 || history.Items[0].Name != "web1" {
		t.Errorf("the journal has %+v, %v", history.Items, err)
	}
}

func TestAnswers(t *testing.T) {
	w := apitest.New()
	w.Slow = make(chan struct{})
	w.Held["container.delete"] = true
	w.Add(inventory.Container{Name: "web1"}, inventory.StateStopped)
	c, socket := open(t, w.Config())

	resp, body := send(t, socket, "POST", "/v1/containers/web1/start", "")
	var op wire.Operation
	if json.Unmarshal([]byte(body), &op); resp.StatusCode != 202 || resp.Header.Get("Location") != "/v1/operations/"+string(op.ID) {
		t.Fatalf("start: %d, Location %q, %s", resp.StatusCode, resp.Header.Get("Location"), body)
	}
	if op.Percent != 50 || op.Progress != "half of it" {
		t.Errorf("the answer lacks the live progress: %d %q", op.Percent, op.Progress)
	}
	resp, body = send(t, socket, "POST", "/v1/containers/web1/start?plan=true", "")
	if resp.StatusCode != 200 || !strings.Contains(body, `"verb":"container.start"`) || !strings.Contains(body, `"effects":[]`) {
		t.Errorf("plan: %d %s", resp.StatusCode, body)
	}
	resp, body = send(t, socket, "DELETE", "/v1/containers/web1", "")
	if resp.StatusCode != 202 || !strings.HasPrefix(resp.Header.Get("Location"), "/v1/changes/") || !strings.Contains(body, "1 approval") {
		t.Errorf("held: %d, Location %q, %s", resp.StatusCode, resp.Header.Get("Location"), body)
	}
	resp, _ = send(t, socket, "POST", "/v1/containers/web1/start?wait=1ms", "")
	if resp.StatusCode != 202 {
		t.Errorf("an operation that outlasts ?wait= gave %d", resp.StatusCode)
	}
	close(w.Slow)
	if op, err := c.Wait(t.Context(), op.ID); err != nil || op.State != inventory.OperationDone || op.Err() != nil {
		t.Errorf("wait gave %+v, %v", op, err)
	}
	resp, _ = send(t, socket, "POST", "/v1/containers/web1/stop?wait=1m", "")
	if resp.StatusCode != 200 {
		t.Errorf("an operation that ended in time gave %d", resp.StatusCode)
	}
}

func TestHeldChange(t *testing.T) {
	w := apitest.New()
	w.Held["container.delete"] = true
	w.Add(inventory.Container{Name: "web1"}, inventory.StateStopped)
	w.Add(inventory.Container{Name: "web2"}, inventory.StateStopped)
	c, _ := open(t, w.Config())
	ctx := t.Context()
	a, err := c.Delete(ctx, ref("web1"), false, client.Options{Wait: time.Minute, Reason: "gone"})
	if err != nil || a.Change == nil {
		t.Fatalf("delete gave %+v, %v", a, err)
	}
	b, err := c.Delete(ctx, ref("web2"), false, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := c.Changes(ctx, client.ChangeQuery{State: inventory.ChangeSubmitted}); err != nil || len(all.Items) != 2 {
		t.Errorf("changes are %+v, %v", all, err)
	}
	if ch, err := c.Decide(ctx, b.Change.ID, "reject", "no"); err != nil || ch.State != inventory.ChangeRejected || ch.Note != "no" {
		t.Errorf("reject gave %+v, %v", ch, err)
	}
	if _, err := c.Decide(ctx, b.Change.ID, "cancel", ""); !errors.Is(err, inventory.ErrState) {
		t.Errorf("cancelling a rejected change gave %v", err)
	}
	done, err := c.Approve(ctx, a.Change.ID, inventory.ApproveArgs{Note: "fine"}, client.Options{Wait: time.Minute})
	if err != nil || done.Operation == nil || done.Operation.State != inventory.OperationDone {
		t.Errorf("approve gave %+v, %v", done, err)
	}
	if ch, err := c.Change(ctx, a.Change.ID); err != nil || ch.State != inventory.ChangeDone {
		t.Errorf("the change is %+v, %v", ch, err)
	}
}

func TestRevisionAndKey(t *testing.T) {
	w := apitest.New()
	w.Add(inventory.Container{Name: "web1", Revision: 7}, inventory.StateStopped)
	c, socket := open(t, w.Config())
	ctx := t.Context()
	resp, _ := send(t, socket, "GET", "/v1/containers/web1", "")
	if tag := resp.Header.Get("ETag"); tag != `"7"` {
		t.Errorf("ETag is %s", tag)
	}
	purpose := "db"
	args := inventory.UpdateArgs{Purpose: &purpose}
	if _, err := c.Update(ctx, ref("web1"), args, client.Options{Revision: 6}); !errors.Is(err, inventory.ErrStale) {
		t.Errorf("an old revision gave %v", err)
	}
	first, err := c.Update(ctx, ref("web1"), args, client.Options{Revision: 7, Key: "k1", Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Update(ctx, ref("web1"), args, client.Options{Key: "k1", Wait: time.Minute})
	if err != nil || again.Operation.ID != first.Operation.ID {
		t.Errorf("the same key gave %+v, %v", again.Operation, err)
	}
	got, err := c.Container(ctx, ref("web1"))
	if err != nil || got.Revision != 8 || got.Purpose != "db" {
		t.Errorf("it is at revision %d with purpose %q, %v", got.Revision, got.Purpose, err)
	}
	resp, body := send(t, socket, "PATCH", "/v1/containers/web1", `{}`, "If-Match", "yesterday")
	if resp.StatusCode != 422 || !strings.Contains(body, "no revision") {
		t.Errorf("a bad If-Match gave %d %s", resp.StatusCode, body)
	}
}

func TestPages(t *testing.T) {
	w := apitest.New()
	for i := range 25 {
		w.Add(inventory.Container{Name: fmt.Sprintf("c%02d", i), Project: []string{"default", "shop"}[i%2]}, inventory.StateStopped)
	}
	c, socket := open(t, w.Config())
	seen := map[string]bool{}
	pages := 0
	all, err := client.Pages(func(cursor string) (wire.Page[wire.Container], error) {
		pages++
		return c.Containers(t.Context(), client.ContainerQuery{Limit: 10, Cursor: cursor})
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, item := range all {
		seen[item.Name] = true
		if i > 0 && all[i-1].Project+"\x00"+all[i-1].Name >= item.Project+"\x00"+item.Name {
			t.Errorf("%s comes before %s", all[i-1].Name, item.Name)
		}
	}
	if pages != 3 || len(all) != 25 || len(seen) != 25 {
		t.Errorf("%d pages with %d items, %d different", pages, len(all), len(seen))
	}
	one, err := c.Containers(t.Context(), client.ContainerQuery{Project: "shop", Prefix: "c0"})
	if err != nil || len(one.Items) != 5 || one.Next != "" {
		t.Errorf("shop/c0* has %d, next %q, %v", len(one.Items), one.Next, err)
	}
	if resp, body := send(t, socket, "GET", "/v1/containers?cursor=nonsense", ""); resp.StatusCode != 422 {
		t.Errorf("a bad cursor gave %d %s", resp.StatusCode, body)
	}
	for i := range 5 {
		_, err := c.Start(t.Context(), inventory.Ref{Project: "default", Name: fmt.Sprintf("c%02d", 2*i)}, client.Options{Wait: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
	}
	ops, err := client.Pages(func(cursor string) (wire.Page[wire.Operation], error) {
		return c.Operations(t.Context(), client.OperationQuery{Limit: 2, Cursor: cursor})
	})
	started := map[string]bool{}
	for _, op := range ops {
		started[op.Name] = true
	}
	if err != nil || len(ops) != 5 || len(started) != 5 {
		t.Errorf("operations are %d, %d different, %v", len(ops), len(started), err)
	}
}

func TestWhatElseIsRead(t *testing.T) {
	w := apitest.New()
	w.Add(inventory.Container{Name: "web1"}, inventory.StateStopped)
	c, socket := open(t, w.Config())
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	_, err := c.Host(ctx)
	must(err)
	_, err = c.Networks(ctx)
	must(err)
	_, err = c.Pools(ctx)
	must(err)
	_, err = c.Addresses(ctx, client.AddressQuery{})
	must(err)
	_, err = c.Deadlines(ctx, client.DeadlineQuery{})
	must(err)
	v, err := c.Version(ctx)
	if must(err); v.API != "v1" || v.Version != "test" {
		t.Errorf("version is %+v", v)
	}
	_, err = c.SetConfig(ctx, inventory.ConfigArgs{Settings: map[string]string{"memory": "2GiB"}}, client.Options{Wait: time.Minute})
	must(err)
	settings, err := c.Settings(ctx)
	if must(err); len(settings) != 3 || settings[2].Value != "2GiB" || settings[2].Origin != "host" || settings[0].Origin != "default" {
		t.Errorf("settings are %+v", settings)
	}
	values, err := c.ContainerSettings(ctx, ref("web1"))
	if must(err); len(values) != 3 || values[2] != (wire.Value{Setting: "memory", Value: "2GiB", Origin: "host"}) {
		t.Errorf("the container's settings are %+v", values)
	}
	_, err = c.CreateSnapshot(ctx, ref("web1"), inventory.SnapshotArgs{Name: "s1"}, client.Options{Wait: time.Minute})
	must(err)
	snaps, err := c.Snapshots(ctx, ref("web1"), "")
	if must(err); len(snaps) != 1 || snaps[0].Name != "s1" {
		t.Errorf("snapshots are %+v", snaps)
	}
	if _, err = c.Snapshot(ctx, ref("web1"), "s2"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("a missing snapshot gave %v", err)
	}
	_, err = c.DeleteSnapshot(ctx, ref("web1"), "s1", client.Options{Wait: time.Minute})
	must(err)
	image, err := c.Image(ctx, "debian/12")
	if must(err); image.PackageCount != 1 || len(image.Packages) != 1 || string(image.Build) != `{"recipe":"debian/12"}` {
		t.Errorf("the image is %+v", image)
	}
	for _, form := range []string{"yaml", "json"} {
		if resp, body := send(t, socket, "GET", "/v1/openapi."+form, ""); resp.StatusCode != 200 || !strings.Contains(body, "container.launch") {
			t.Errorf("openapi.%s: %d", form, resp.StatusCode)
		}
	}
}

// TestLongWait: a caller who waits longer than a body may take to arrive still gets the end.
func TestLongWait(t *testing.T) {
	w := apitest.New()
	w.Slow = make(chan struct{})
	w.Add(inventory.Container{Name: "web1"}, inventory.StateStopped)
	c, _ := open(t, w.Config())
	time.AfterFunc(6*time.Second, func() { close(w.Slow) })
	a, err := c.Start(t.Context(), ref("web1"), client.Options{Wait: time.Minute})
	if err != nil || a.Operation.State != inventory.OperationDone {
		t.Errorf("got %+v, %v", a.Operation, err)
	}
}
