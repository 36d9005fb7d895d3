package inventory

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"time"
)

// An SSHKey is a public key that is one user's alone.
type SSHKey struct {
	Fingerprint string // "SHA256:...", as ssh-keygen -l shows it
	Type        string // "ssh-ed25519"
	Bits        int    // of an RSA key's modulus; 0 for types that have one size
	Comment     string
	Line        string // "ssh-ed25519 AAAA...", without the comment

	CreatedAt time.Time
}

// minRSABits is what NIST SP 800-57 part 1 (5.6.1) asks of keys that last beyond 2030.
const minRSABits = 3072

// maxSSHKey bounds one line: an RSA key of 16 384 bits has 2 800 characters.
const maxSSHKey = 8 << 10

// sshKeyTypes are those OpenSSH makes today.
var sshKeyTypes = []string{"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521", "ssh-rsa", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}

// ParseSSHKey reads a line of a .pub file. Options before the key are refused, as are certificates,
// DSA, and RSA below 3072 bits.
func ParseSSHKey(line string) (SSHKey, error) {
	line = strings.TrimSpace(line)
	fields := strings.Fields(line)
	if len(line) > maxSSHKey || len(fields) < 2 {
		return SSHKey{}, Errorf(ErrInvalid, "this is no SSH public key; give the line of a .pub file, like: ssh-ed25519 AAAA... name")
	}
	k := SSHKey{Type: fields[0], Comment: strings.Join(fields[2:], " "), Line: fields[0] + " " + fields[1]}
	if !slices.Contains(sshKeyTypes, k.Type) {
		return SSHKey{}, Errorf(ErrInvalid, "a key of type %.40q is not taken; ed25519, ecdsa, rsa and their sk- forms are", k.Type)
	}
	if err := CheckLine("the key's comment", k.Comment); err != nil {
		return SSHKey{}, err
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return SSHKey{}, Errorf(ErrInvalid, "the key is damaged: %v", err)
	}
	if k.Bits, err = checkKeyBlob(k.Type, blob); err != nil {
		return SSHKey{}, err
	}
	sum := sha256.Sum256(blob)
	k.Fingerprint = "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
	return k, nil
}

// checkKeyBlob checks the key's own fields (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, OpenSSH
// PROTOCOL.u2f) and returns the size of an RSA key.
func checkKeyBlob(kind string, blob []byte) (bits int, err error) {
	fields, whole := keyFields(blob)
	damaged := Errorf(ErrInvalid, "the key is damaged: it is not what %s promises", kind)
	if !whole || len(fields) < 2 || string(fields[0]) != kind {
		return 0, damaged
	}
	name := strings.TrimSuffix(strings.TrimPrefix(kind, "sk-"), "@openssh.com")
	want := map[string]int{"ssh-ed25519": 2, "ssh-rsa": 3}[name]
	if want == 0 {
		want = 3 // ecdsa: the curve and a point
	}
	if strings.HasPrefix(kind, "sk-") {
		want++ // the application
	}
	if len(fields) != want {
		return 0, damaged
	}
	switch {
	case name == "ssh-ed25519" && len(fields[1]) != 32,
		strings.HasPrefix(name, "ecdsa-") && "ecdsa-sha2-"+string(fields[1]) != name:
		return 0, damaged
	case name == "ssh-rsa":
		bits = new(big.Int).SetBytes(fields[2]).BitLen()
		if bits < minRSABits {
			return 0, Errorf(ErrInvalid, "an RSA key has to have %d bits, this one has %d; 'ssh-keygen -t ed25519' makes a better one", minRSABits, bits)
		}
	}
	return bits, nil
}

// keyFields splits what RFC 4251 (5) calls strings; whole is false when they don't fill the blob.
func keyFields(blob []byte) (fields [][]byte, whole bool) {
	for len(blob) >= 4 {
		n := binary.BigEndian.Uint32(blob)
		if uint64(n) > uint64(len(blob)-4) {
			return fields, false
		}
		fields, blob = append(fields, blob[4:4+n]), blob[4+n:]
	}
	return fields, len(blob) == 0
}
