package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"lodge/inventory"
)

// readSpecs reads YAML documents, each of which is one spec or a list of them; those of volumes say
// kind: volume. It is strict: a field nobody knows, one that stands twice and a value of another
// type are refused with their line. Specs without a project get the one given.
func readSpecs(text []byte, project string) (all inventory.Specs, err error) {
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		for _, item := range items(&document) {
			if err == nil {
				err = readItem(item, project, &all)
			}
		}
		if err != nil {
			return inventory.Specs{}, unreadable(err)
		}
	}
}

// items are the specs of a document; an empty one has none.
func items(document *yaml.Node) []*yaml.Node {
	switch {
	case len(document.Content) == 0 || document.Content[0].Tag == "!!null":
		return nil
	case document.Content[0].Kind == yaml.SequenceNode:
		return document.Content[0].Content
	}
	return document.Content[:1]
}

func readItem(item *yaml.Node, project string, all *inventory.Specs) error {
	var shape struct {
		Kind string         `yaml:"kind"`
		Rest map[string]any `yaml:",inline"`
	}
	if err := item.Decode(&shape); err != nil {
		return err
	}
	switch shape.Kind {
	case inventory.KindVolume:
		v := inventory.VolumeSpec{Project: project}
		err := decodeStrict(item, &v)
		v.Project = cmp.Or(v.Project, project)
		all.Volumes = append(all.Volumes, v)
		return err
	case "", "container":
		s := inventory.Spec{}
		err := decodeStrict(item, &s)
		s.Project = cmp.Or(s.Project, project)
		all.Containers = append(all.Containers, s)
		return err
	}
	return fmt.Errorf("line %d: there is no kind %q; there are container and volume", item.Line, shape.Kind)
}

// decodeStrict reads a mapping into a struct and refuses what the struct has no field for.
func decodeStrict(item *yaml.Node, into any) error {
	if item.Kind == yaml.AliasNode {
		item = item.Alias
	}
	known := map[string]bool{"kind": true}
	for field := range reflect.TypeOf(into).Elem().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		known[name] = true
	}
	for i := 0; item.Kind == yaml.MappingNode && i < len(item.Content); i += 2 {
		if key := item.Content[i]; !known[key.Value] && key.Tag != "!!merge" {
			return fmt.Errorf("line %d: there is no field %s", key.Line, key.Value)
		}
	}
	return item.Decode(into)
}

var wrongType = regexp.MustCompile("cannot unmarshal !!(\\S+)( `[^`]*`)? into \\S+")

// unreadable says in one line where the text is wrong.
func unreadable(err error) error {
	text := err.Error()
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		text = strings.Join(typed.Errors, "; ")
	}
	text = strings.TrimPrefix(strings.ReplaceAll(text, "\n", "; "), "yaml: ")
	text = wrongType.ReplaceAllString(text, "a $1$2 can't stand here")
	return usage("the text can't be read: %s", text)
}

// entries are specs as they stand in a file: volumes first.
func entries(specs inventory.Specs) []any {
	out := []any{}
	for _, v := range specs.Volumes {
		out = append(out, v)
	}
	for _, s := range specs.Containers {
		out = append(out, s)
	}
	return out
}

// writeSpecs writes one document per spec.
func writeSpecs(out io.Writer, specs inventory.Specs) error {
	for i, s := range entries(specs) {
		if i > 0 {
			if _, err := io.WriteString(out, "---\n"); err != nil {
				return err
			}
		}
		if err := writeYAML(out, s); err != nil {
			return err
		}
	}
	return nil
}
