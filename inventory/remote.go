package inventory

import (
	"net/url"
	"strings"
	"time"
)

// A Remote is a server of images that somebody named: a tree of simplestreams indexes.
type Remote struct {
	Name      string
	URL       string // of the folder that has streams/v1/ below it
	Key       string // armored OpenPGP key its indexes have to be signed with; "" for none
	CreatedAt time.Time
}

// A RemoteImage is one that a remote offers for this host's machine.
type RemoteImage struct {
	Image   string   `json:"image" doc:"What to pull it by."`
	Aliases []string `json:"aliases,omitempty" doc:"Its other names."`
	Product string   `json:"product"`
	Version string   `json:"version" doc:"The newest."`
	Size    Bytes    `json:"size_bytes" doc:"Of the files to download."`
}

// CheckRemote reports whether name and address can be a remote's. The address may be one of this
// host or of a private network: who names it has said so.
func CheckRemote(name, address string) error {
	if err := CheckName("the remote", name); err != nil {
		return err
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(address) > 1024:
		return Errorf(ErrInvalid, "%.80q is no address of an image server; write it like https://HOST/images", address)
	case u.User != nil:
		return Errorf(ErrInvalid, "the address of an image server can't hold a password: it is shown to everybody")
	case u.RawQuery != "" || u.Fragment != "":
		return Errorf(ErrInvalid, "the address of an image server is that of a folder, without ? and #")
	}
	return nil
}

// SplitRemote takes REMOTE:IMAGE apart.
func SplitRemote(s string) (remote, image string, err error) {
	remote, image, ok := strings.Cut(s, ":")
	if !ok || remote == "" || image == "" {
		return "", "", Errorf(ErrInvalid, "%.80q names no image of a remote; write it like REMOTE:debian/12", s)
	}
	return remote, image, nil
}
