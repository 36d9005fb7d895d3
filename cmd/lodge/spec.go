package main

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"lodge/inventory"
)

// readSpecs reads YAML documents, each of which is one spec or a list of them. It is strict: a
// field nobody knows, one that stands twice and a value of another type are refused with their
// line. Specs without a project get the one given.
func readSpecs(text []byte, project string) ([]inventory.Spec, error) {
	shapes := yaml.NewDecoder(bytes.NewReader(text))
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	var all []inventory.Spec
	for {
		var shape yaml.Node // the strict decoder has to be told beforehand what comes
		err := shapes.Decode(&shape)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, unreadable(err)
		}
		some, err := readDocument(strict, &shape)
		if err != nil {
			return nil, unreadable(err)
		}
		all = append(all, some...)
	}
	for i := range all {
		if all[i].Project == "" {
			all[i].Project = project
		}
	}
	return all, nil
}

func readDocument(strict *yaml.Decoder, shape *yaml.Node) ([]inventory.Spec, error) {
	if len(shape.Content) > 0 && shape.Content[0].Kind == yaml.SequenceNode {
		var list []inventory.Spec
		err := strict.Decode(&list)
		return list, err
	}
	var one *inventory.Spec // nil for an empty document
	if err := strict.Decode(&one); err != nil || one == nil {
		return nil, err
	}
	return []inventory.Spec{*one}, nil
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	wrongType    = regexp.MustCompile("cannot unmarshal !!(\\S+)( `[^`]*`)? into \\S+")
)

// unreadable says in one line where the text is wrong.
func unreadable(err error) error {
	text := err.Error()
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		text = strings.Join(typed.Errors, "; ")
	}
	text = strings.TrimPrefix(strings.ReplaceAll(text, "\n", "; "), "yaml: ")
	text = unknownField.ReplaceAllString(text, "there is no field $1")
	text = wrongType.ReplaceAllString(text, "a $1$2 can't stand here")
	return usage("the text can't be read: %s", text)
}

// writeSpecs writes one document per spec.
func writeSpecs(out io.Writer, specs []inventory.Spec) error {
	for i, s := range specs {
		if i > 0 {
			if _, err := io.WriteString(out, "---\n"); err != nil {
				return err
			}
		}
		e := yaml.NewEncoder(out)
		e.SetIndent(2)
		if err := errors.Join(e.Encode(s), e.Close()); err != nil {
			return err
		}
	}
	return nil
}
