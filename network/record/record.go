// Package record has the verbs of the names that people add to those of the containers. The rows are
// the store's; the names package says which make sense, and the network service answers them.
package record

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/network/names"
)

// defaultTTL is what a record has that says nothing, in seconds.
const defaultTTL = 60

// Store keeps the records.
type Store interface {
	DNSRecords(ctx context.Context) ([]inventory.DNSRecord, error)
	SaveDNSRecord(ctx context.Context, r inventory.DNSRecord) error
	DeleteDNSRecord(ctx context.Context, r inventory.DNSRecord) error
}

// containers are all of this host, whose names stand before any record.
type containers interface {
	AllContainers(ctx context.Context) ([]*inventory.Container, error)
}

// publisher makes records answerable.
type publisher interface {
	PublishRecords(ctx context.Context, records []names.Record) error
}

// Service has the verbs. Safe for concurrent use.
type Service struct {
	store      Store
	containers containers
	publisher  publisher
	turn       chan struct{} // held while records are read and published: the last to publish has read last
}

// New returns a service without side effects.
func New(store Store, c containers, p publisher) *Service {
	return &Service{store: store, containers: c, publisher: p, turn: make(chan struct{}, 1)}
}

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	// What a step saves is durable when the next one begins: the old record is noted first.
	look := gate.Step{Name: "look", Do: s.look}
	publish := gate.Step{Name: "publish", Do: s.publish}
	return []gate.Verb{
		{Name: "dns.view", Right: inventory.RightView, Mode: gate.ModeRead, Risk: inventory.RiskLow, Command: "dns list"},
		{Name: "dns.add", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Command: "dns add", Subject: subject, Prepare: s.prepareAdd,
			Steps: []gate.Step{look, {Name: "save", Do: s.save, Undo: s.saveBack}, publish}},
		{Name: "dns.remove", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Command: "dns remove", Subject: subject, Prepare: s.prepareRemove,
			Steps: []gate.Step{look, {Name: "remove", Do: s.remove, Undo: s.saveBack}, publish}},
	}
}

// subject makes changes of one name exclude each other.
func subject(r *gate.Request) (subject, name string, err error) {
	var args inventory.DNSRecordArgs
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "the parameters can't be read: %v", err)
	}
	name = below(args.Name)
	return "dns:" + name, cmp.Or(name, "@"), nil
}

// below is a name as it is kept: in lower case, and without the domain.
func below(name string) string {
	name = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(name)), ".")
	if name == inventory.Domain || name == "@" {
		return ""
	}
	return strings.TrimSuffix(name, "."+inventory.Domain)
}

// read checks the parameters and returns the record they mean.
func read(args inventory.DNSRecordArgs) (inventory.DNSRecord, error) {
	r := inventory.DNSRecord{Name: below(args.Name), Type: strings.ToUpper(args.Type), Data: strings.TrimSpace(args.Data),
		TTL: cmp.Or(args.TTL, defaultTTL)}
	_, err := row(r).Parse(inventory.Domain)
	return r, err
}

func row(r inventory.DNSRecord) names.Record {
	return names.Record{Name: r.Name, Type: r.Type, Data: r.Data, TTL: r.TTL}
}

func text(r inventory.DNSRecord) string { return cmp.Or(r.Name, "@") + " " + r.Type + " " + r.Data }

func (s *Service) find(ctx context.Context, r inventory.DNSRecord) (all []inventory.DNSRecord, at int, err error) {
	all, err = s.store.DNSRecords(ctx)
	return all, slices.IndexFunc(all, func(have inventory.DNSRecord) bool {
		return have.Name == r.Name && have.Type == r.Type && have.Data == r.Data
	}), err
}

func (s *Service) prepareAdd(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.DNSRecordArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	record, err := read(args)
	if err != nil {
		return nil, err
	}
	all, at, err := s.find(ctx, record)
	if err != nil {
		return nil, err
	}
	line := inventory.EffectLine{Field: "record", After: text(record), Effect: inventory.EffectLive}
	if at >= 0 {
		line.Before = text(all[at])
	}
	if err := s.fits(ctx, record, all); err != nil {
		return nil, err
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{line}}, nil
}

// fits refuses what would stand beside something it can't: an alias is alone at its name (RFC 2181,
// 10.1), and nobody gets a container's name.
func (s *Service) fits(ctx context.Context, r inventory.DNSRecord, all []inventory.DNSRecord) error {
	for _, have := range all {
		if have.Name == r.Name && (have.Type == "CNAME" || r.Type == "CNAME") && (have.Type != r.Type || have.Data != r.Data) {
			return inventory.Errorf(inventory.ErrExists,
				"%s has '%s', and an alias stands alone; 'lodge dns remove' takes it away", cmp.Or(r.Name, "@"), text(have))
		}
	}
	if r.Type == "CNAME" && r.Name == "" {
		return inventory.Errorf(inventory.ErrInvalid, "%s itself can't be an alias", inventory.Domain)
	}
	if r.Type != "A" && r.Type != "AAAA" && r.Type != "CNAME" {
		return nil
	}
	containers, err := s.containers.AllContainers(ctx)
	if err != nil {
		return err
	}
	for _, c := range containers {
		project := cmp.Or(c.Project, inventory.DefaultProject)
		if r.Name == c.Name+"."+project || project == inventory.DefaultProject && r.Name == c.Name {
			return inventory.Errorf(inventory.ErrExists, "%s is the name of a container; choose another", r.Name)
		}
	}
	return nil
}

func (s *Service) prepareRemove(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.DNSRecordArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	record, err := read(args)
	if err != nil {
		return nil, err
	}
	all, at, err := s.find(ctx, record)
	if err != nil {
		return nil, err
	}
	if at < 0 {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no record '%s'; 'lodge dns list' shows those there are",
			text(record))
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "record", Before: text(all[at]), Effect: inventory.EffectLive}}}, nil
}

// Publish makes the records of the store the ones that are answered.
func (s *Service) Publish(ctx context.Context) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	all, err := s.store.DNSRecords(ctx)
	if err != nil {
		return err
	}
	rows := make([]names.Record, len(all))
	for i, r := range all {
		rows[i] = row(r)
	}
	return s.publisher.PublishRecords(ctx, rows)
}

// publish goes on without a role: it gets the records as soon as it is there.
func (s *Service) publish(ctx context.Context, r *gate.Run) error {
	err := s.Publish(ctx)
	if errors.Is(err, inventory.ErrUnavailable) {
		r.Log.Warn("names are published later", "error", err)
		return nil
	}
	return err
}
