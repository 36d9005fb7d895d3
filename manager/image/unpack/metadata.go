package unpack

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Metadata is what an archive says about itself beside its files. It is the word of whoever made
// the archive: shown to people, and believed in nothing.
type Metadata struct {
	Layout      Layout    `json:"layout"`
	Name        string    `json:"name,omitempty"`
	Description string    `json:"description,omitempty"`
	Variant     string    `json:"variant,omitempty"`
	Serial      string    `json:"serial,omitempty"`
	Created     int64     `json:"created,omitempty"`   // Unix seconds
	Expires     int64     `json:"expires,omitempty"`   // Unix seconds
	Templates   []string  `json:"templates,omitempty"` // left out; see package image, FirstBoot
	Instance    *Instance `json:"instance,omitempty"`  // of LayoutBackup
}

// An Instance is the configuration of a container that Incus or LXD exported, profiles included.
// Values of several lines, and those of `volatile`, which mean something on the old host alone, are
// left out; the names of the former are in Omitted.
type Instance struct {
	Name        string                       `json:"name"`
	Description string                       `json:"description,omitempty"`
	Config      map[string]string            `json:"config,omitempty"`
	Devices     map[string]map[string]string `json:"devices,omitempty"`
	Omitted     []string                     `json:"omitted,omitempty"`
	Snapshots   []string                     `json:"snapshots,omitempty"`
	Left        []string                     `json:"left,omitempty"` // volumes and the like
}

// metadataFile is metadata.yaml (Incus, shared/api/image.go, ImageMetadata).
type metadataFile struct {
	CreationDate int64                   `yaml:"creation_date"`
	ExpiryDate   int64                   `yaml:"expiry_date"`
	Properties   map[string]string       `yaml:"properties"`
	Templates    map[string]templateRule `yaml:"templates"`
}

type templateRule struct {
	Template string `yaml:"template"`
}

// indexFile is backup/index.yaml (Incus, internal/server/backup/backup_info.go, Info).
type indexFile struct {
	Name      string      `yaml:"name"`
	Type      string      `yaml:"type"`
	Snapshots []string    `yaml:"snapshots"`
	Optimized bool        `yaml:"optimized"`
	Config    *configFile `yaml:"config"`
}

// configFile is backup.yaml, and the part of index.yaml of the same form.
type configFile struct {
	Container struct {
		Name            string                       `yaml:"name"`
		Description     string                       `yaml:"description"`
		Config          map[string]string            `yaml:"config"`
		Devices         map[string]map[string]string `yaml:"devices"`
		ExpandedConfig  map[string]string            `yaml:"expanded_config"`
		ExpandedDevices map[string]map[string]string `yaml:"expanded_devices"`
	} `yaml:"container"`
}

// metadata reads the documents that a front found.
func (f *front) metadata() (*Metadata, error) {
	m := &Metadata{Layout: f.layout, Templates: f.templates}
	name := metadataName
	if f.layout == LayoutBackup {
		name = inBackup + metadataName
		if err := f.instance(m); err != nil {
			return nil, err
		}
	}
	text, ok := f.documents[name]
	switch {
	case ok:
	case f.layout == LayoutUnified || f.layout == LayoutSplit:
		return nil, refuse("metadata.yaml is missing")
	default:
		return m, nil // an export of an image without it is a container all the same
	}
	return m, m.read(name, text)
}

func (m *Metadata) read(name string, text []byte) error {
	var file metadataFile
	if err := decodeYAML(name, text, &file); err != nil {
		return err
	}
	for target, rule := range file.Templates {
		if err := checkTemplate(target, rule.Template); err != nil {
			return err
		}
	}
	m.Created, m.Expires = max(file.CreationDate, 0), max(file.ExpiryDate, 0)
	for key, field := range map[string]*string{"name": &m.Name, "description": &m.Description,
		"variant": &m.Variant, "serial": &m.Serial} {
		if value := file.Properties[key]; isText(value) {
			*field = value
		}
	}
	return nil
}

// checkTemplate refuses what would write or read outside, although no template is ever run: an
// archive that asks for it was not made in good faith.
func checkTemplate(target, source string) error {
	if !path.IsAbs(target) || path.Clean(target) != target || !isText(target) {
		return refuse("metadata.yaml has a template for %.80q, which is no plain path in the container", target)
	}
	if clean, err := cleanPath(source, DefaultLimits); source != "" && (err != nil || clean != source || path.IsAbs(source)) {
		return refuse("metadata.yaml names the template %.80q, which lies outside of templates/", source)
	}
	return nil
}

// instance reads the configuration of an exported container.
func (f *front) instance(m *Metadata) error {
	text, ok := f.documents[indexName]
	if !ok {
		return refuse("%s is missing", indexName)
	}
	var index indexFile
	if err := decodeYAML(indexName, text, &index); err != nil {
		return err
	}
	switch {
	case index.Type != "" && index.Type != "container":
		return refuse("the export is of a %.40q; Lodge takes containers", index.Type)
	case index.Optimized:
		return refuse("the export is one of a pool's own format; make it again with 'incus export' without --optimized-storage")
	}
	if index.Config == nil { // before LXD 4.0 it was a file of its own
		index.Config = &configFile{}
		old := inBackup + "backup.yaml"
		text, ok := f.documents[old]
		if !ok && f.peek {
			return refuse("%s is missing", old)
		}
		if err := decodeYAML(old, text, index.Config); err != nil {
			return err
		}
	}
	m.Instance = index.instance(f)
	return nil
}

func (i *indexFile) instance(f *front) *Instance {
	c := i.Config.Container
	out := &Instance{Config: map[string]string{}, Devices: map[string]map[string]string{}}
	if isText(i.Name) {
		out.Name = i.Name
	}
	if isText(c.Description) {
		out.Description = c.Description
	}
	if len(c.ExpandedConfig) == 0 {
		c.ExpandedConfig = c.Config
	}
	for key, value := range c.ExpandedConfig {
		switch {
		case strings.HasPrefix(key, "volatile.") || !isText(key) || len(out.Config) >= maxNotes:
		case isText(value):
			out.Config[key] = value
		default:
			out.Omitted = note(out.Omitted, key)
		}
	}
	if len(c.ExpandedDevices) == 0 {
		c.ExpandedDevices = c.Devices
	}
	for name, options := range c.ExpandedDevices {
		if isText(name) && len(out.Devices) < maxNotes {
			out.Devices[name] = plain(options)
		}
	}
	for _, name := range i.Snapshots { // those that an archive has no files of, or not yet
		f.snapshots = note(f.snapshots, name)
	}
	out.Snapshots, out.Left = texts(f.snapshots), texts(f.left)
	slices.Sort(out.Omitted)
	return out
}

// plain keeps the options that are text, as many as a device can have.
func plain(options map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range options {
		if isText(key) && isText(value) && len(out) < maxNotes {
			out[key] = value
		}
	}
	return out
}

func texts(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !isText(s) })
}

// decodeYAML reads one document. Fields that are not known are left out: newer Incus have more.
// The bound on the text, yaml.v3's own on aliases and the child's on memory make it end.
func decodeYAML(name string, text []byte, to any) error {
	err := yaml.NewDecoder(bytes.NewReader(text)).Decode(to)
	if err != nil && !errors.Is(err, io.EOF) {
		return refuse("%s can't be read: %.200s", name, printable(strings.Join(strings.Fields(err.Error()), " ")))
	}
	return nil
}

// check reports whether the form is one that metadata can have.
func (m *Metadata) check() bool {
	ok := slices.Contains([]Layout{LayoutRootfs, LayoutUnified, LayoutSplit, LayoutBackup}, m.Layout)
	for _, s := range append([]string{m.Name, m.Description, m.Variant, m.Serial}, m.Templates...) {
		ok = ok && isText(s)
	}
	if i := m.Instance; i != nil {
		ok = ok && i.check()
	}
	return ok && m.Created >= 0 && m.Expires >= 0 && len(m.Templates) <= maxNotes
}

func (i *Instance) check() bool {
	ok := isText(i.Name) && isText(i.Description)
	for _, list := range [][]string{i.Omitted, i.Snapshots, i.Left} {
		ok = ok && len(list) <= maxNotes && len(texts(list)) == len(list)
	}
	ok = ok && len(i.Config) <= maxNotes && len(plain(i.Config)) == len(i.Config) && len(i.Devices) <= maxNotes
	for name, options := range i.Devices {
		ok = ok && isText(name) && len(plain(options)) == len(options)
	}
	return ok
}
