package image

import (
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// sshfpAlgorithms are the numbers of host keys in DNS (RFC 4255, 6594, 7479).
var sshfpAlgorithms = map[string]int{ssh.KeyAlgoRSA: 1, ssh.KeyAlgoECDSA256: 3, ssh.KeyAlgoECDSA384: 3,
	ssh.KeyAlgoECDSA521: 3, ssh.KeyAlgoED25519: 4}

// SSHFP returns the data of the SSHFP records of a root file system's host keys, by SHA-256. What the
// container wrote there is read as HostKeys does: no path leaves rootfs, and nothing but keys counts.
func SSHFP(rootfs string) ([]string, error) {
	keys, err := HostKeys(rootfs)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, text := range keys {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			continue
		}
		if number, ok := sshfpAlgorithms[key.Type()]; ok {
			out = append(out, fmt.Sprintf("%d 2 %x", number, sha256.Sum256(key.Marshal())))
		}
	}
	return out, nil
}
