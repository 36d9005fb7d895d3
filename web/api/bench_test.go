package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"lodge/inventory"
	"lodge/web/api"
	"lodge/web/api/apitest"
	"lodge/web/client"
)

func crowd(n int) *apitest.World {
	w := apitest.New()
	for i := range n {
		w.Add(inventory.Container{Name: fmt.Sprintf("web%03d", i), Owner: "ana", Purpose: "shop front", Environment: "prod",
			Image: "debian/12", Labels: map[string]string{"app": "shop"}, Settings: map[string]string{"memory": "1GiB"},
			NICs: []inventory.NIC{{Network: "lodge0", Name: "eth0", MAC: "02:00:00:00:00:02", IPv4: netip.MustParseAddr("10.86.0.2")}}},
			inventory.StateRunning)
	}
	return w
}

// BenchmarkList is GET /v1/containers of 200 without the socket: what the door itself costs.
func BenchmarkList(b *testing.B) {
	h := api.New(crowd(200).Config())
	ctx := inventory.WithPrincipal(b.Context(), inventory.System("bench"))
	b.ReportAllocs()
	for b.Loop() {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/v1/containers", nil).WithContext(ctx))
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
	}
}

// BenchmarkListOverSocket is the same as the command line sees it, JSON read back.
func BenchmarkListOverSocket(b *testing.B) {
	c, _ := open(b, crowd(200).Config())
	b.ReportAllocs()
	for b.Loop() {
		page, err := c.Containers(b.Context(), client.ContainerQuery{})
		if err != nil || len(page.Items) != 200 {
			b.Fatal(len(page.Items), err)
		}
	}
}

// BenchmarkMutation is one start that ends at once, over the socket.
func BenchmarkMutation(b *testing.B) {
	c, _ := open(b, crowd(1).Config())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Restart(b.Context(), ref("web000"), inventory.StopArgs{}, client.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
