package wire

import (
	"net"
	"regexp"
	"strconv"

	"lodge/inventory"
)

// A TargetGroup is one container as Prometheus' HTTP service discovery reads it
// (prometheus.io/docs/prometheus/latest/http_sd): labels that begin with __meta_ are for relabelling.
type TargetGroup struct {
	Targets []string          `json:"targets" nullable:"false" doc:"Address and port to scrape."`
	Labels  map[string]string `json:"labels" doc:"__meta_lodge_name and more, one for each label."`
}

// notInLabel is what the name of a Prometheus label may not hold.
var notInLabel = regexp.MustCompile(`[^A-Za-z0-9_]`)

// FromTarget writes a container with the port its metrics are asked of.
func FromTarget(w Container, port int) TargetGroup {
	t := TargetGroup{Targets: []string{}, Labels: map[string]string{}}
	for _, n := range w.NICs {
		if n.IPv4 != "" {
			t.Targets = append(t.Targets, net.JoinHostPort(n.IPv4, strconv.Itoa(port)))
			break
		}
	}
	for name, value := range w.Labels {
		t.Labels["__meta_lodge_label_"+notInLabel.ReplaceAllString(name, "_")] = value
	}
	for name, value := range map[string]string{"name": w.Name, "project": w.Project, "id": string(w.ID), "owner": w.Owner,
		"environment": string(w.Environment), "state": string(w.State), "image": w.Image,
		"lxc_name": inventory.LXCName(w.Project, w.Name)} {
		t.Labels["__meta_lodge_"+name] = value
	}
	return t
}
