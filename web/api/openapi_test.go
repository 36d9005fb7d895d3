package api_test

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"lodge/web/api"
)

var update = flag.Bool("update", false, "write golden files")

// TestOpenAPI compares the document with the committed one: a change of the API is seen in review.
func TestOpenAPI(t *testing.T) {
	got, err := api.New(api.Config{Version: "v1"}).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "openapi.yaml"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the API is not the committed one; if that is wanted: go test ./web/api -run OpenAPI -update")
	}
	if !bytes.HasPrefix(bytes.TrimSpace(want), []byte("components:")) || !bytes.Contains(want, []byte("openapi: 3.1.0")) {
		t.Errorf("the document is no OpenAPI 3.1: %.60s", want)
	}
	if bytes.Contains(want, []byte("$schema")) {
		t.Errorf("the document has $schema fields")
	}
}

// TestVerbOperations: every verb of the product that people reach by the API has its operation.
func TestVerbOperations(t *testing.T) {
	doc, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ +operationId: (\S+)$`).FindAllSubmatch(doc, -1) {
		ids[string(m[1])] = true
	}
	verbs := api.VerbOperations()
	for verb, id := range verbs {
		if !ids[id] {
			t.Errorf("verb %s is said to be reached by %s, which the document lacks", verb, id)
		}
	}
	for _, verb := range strings.Fields(`
		container.create container.launch container.update container.delete container.purge container.restore
		container.start container.stop container.restart container.kill container.freeze container.unfreeze
		container.rename container.clone container.revert container.view
		snapshot.create snapshot.restore snapshot.delete image.build image.import image.delete image.alias
		config.set config.view container.exec container.shell container.console
		container.file.read container.file.write container.file.list container.file.delete`) {
		if verbs[verb] == "" {
			t.Errorf("no API operation reaches %s", verb)
		}
	}
	if verbs["container.purge"] != "container.purge" || verbs["container.launch"] != "container.create" {
		t.Errorf("purge is reached by %s, launch by %s", verbs["container.purge"], verbs["container.launch"])
	}
	for _, v := range api.Verbs() {
		if verbs[v.Name] == "" && !strings.HasSuffix(v.Name, ".upload") { // asked for on the way to an import
			t.Errorf("the door's own verb %s has no route", v.Name)
		}
	}
}
