package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"sigs.k8s.io/knftables"

	"lodge/inventory"
)

// A script is what one call of nft(8) does, in one transaction.
type script struct{ strings.Builder }

func (s *script) add(format string, args ...any) {
	fmt.Fprintf(s, format+"\n", args...)
}

// run does all of it or nothing. ErrUnavailable with nft's own words.
func (s *script) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(s.String())
	var said bytes.Buffer
	cmd.Stderr = &said
	return nftError(cmd.Run(), said.Bytes())
}

// nftList returns what nft says to a list command; "" when the table does not exist.
func nftList(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "nft", args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if bytes.Contains(exit.Stderr, []byte("No such file")) {
			return nil, nil
		}
		return nil, nftError(err, exit.Stderr)
	}
	return out, nftError(err, nil)
}

func nftError(err error, said []byte) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return inventory.Errorf(inventory.ErrUnavailable, "nft is missing; install nftables")
	}
	first, _, _ := strings.Cut(string(bytes.TrimSpace(said)), "\n")
	return inventory.Errorf(inventory.ErrUnavailable, "nft: %v: %s", err, first)
}

// openTable is the table of that name, there or not. ErrUnavailable, in one line: nft is missing, or can't be used.
func openTable(family knftables.Family, name string) (knftables.Interface, error) {
	table, err := knftables.New(family, name)
	if err == nil {
		return table, nil
	}
	if _, missing := exec.LookPath("nft"); missing != nil {
		return nil, nftError(missing, nil)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return nil, inventory.Errorf(inventory.ErrUnavailable, "nftables can't be used: %s", first)
}
