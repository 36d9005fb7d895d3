package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func dnsCommands() []*cli.Command {
	return []*cli.Command{{Name: "dns", Category: "Host", Usage: "records beside the containers' names",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "the records that were added", Action: listDNS},
			{Name: "add", Usage: "add a record", ArgsUsage: "NAME TYPE DATA...",
				Description: "NAME lies below lodge.internal; @ is the domain itself. TYPE is A, AAAA, CNAME, TXT, MX, SRV, CAA or\n" +
					"SSHFP, and DATA is written as in a zone file: names in it end with a dot or lie below lodge.internal.\n" +
					"Containers have their names by themselves, and none of them can be taken by a record.",
				Flags:  mutationFlags(&cli.UintFlag{Name: "ttl", Usage: "how many `SECONDS` others may keep it", Value: 60}),
				Action: addDNS},
			{Name: "remove", Aliases: []string{"rm"}, Usage: "remove a record that was added", ArgsUsage: "NAME TYPE DATA...",
				Flags: mutationFlags(), Action: removeDNS},
		}}}
}

func listDNS(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.DNSRecord, error) { return api.DNSRecords(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.DNSRecord]{
		{"name", false, func(r wire.DNSRecord) string { return r.Name }},
		{"type", false, func(r wire.DNSRecord) string { return r.Type }},
		{"data", false, func(r wire.DNSRecord) string { return r.Data }},
		{"ttl", false, func(r wire.DNSRecord) string { return strconv.FormatUint(uint64(r.TTL), 10) }},
		{"reason", true, func(r wire.DNSRecord) string { return r.Reason }},
	})
}

// dnsRecord reads NAME TYPE DATA...
func dnsRecord(c *cli.Context) (inventory.DNSRecordArgs, error) {
	words := c.Args().Slice()
	if len(words) < 3 {
		return inventory.DNSRecordArgs{}, usage("a record is a name, a type and data, like: lodge dns %s www CNAME web1", c.Command.Name)
	}
	return inventory.DNSRecordArgs{Name: words[0], Type: strings.ToUpper(words[1]), Data: strings.Join(words[2:], " "),
		TTL: uint32(c.Uint("ttl"))}, nil
}

func addDNS(c *cli.Context) error {
	args, err := dnsRecord(c)
	if err != nil {
		return err
	}
	return mutateEach(c, []string{args.Name}, is("has its record"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.AddDNSRecord(ctx, args, o)
		})
}

func removeDNS(c *cli.Context) error {
	args, err := dnsRecord(c)
	if err != nil {
		return err
	}
	return mutateEach(c, []string{args.Name}, is("has the record no more"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.RemoveDNSRecord(ctx, args, o)
		})
}
