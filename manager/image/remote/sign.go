package remote

import (
	"bytes"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

// MaxKey bounds an armored key.
const MaxKey = 64 << 10

// CheckKey refuses what is no armored OpenPGP public key.
func checkKey(armored string) (openpgp.EntityList, error) {
	ring, err := openpgp.ReadArmoredKeyRing(strings.NewReader(armored))
	if err != nil || len(ring) == 0 || len(armored) > MaxKey {
		return nil, refuse("that is no armored OpenPGP public key ('gpg --armor --export ID' prints one)")
	}
	for _, e := range ring {
		if e.PrivateKey != nil {
			return nil, refuse("that is a private key; give the public one ('gpg --armor --export ID' prints it)")
		}
	}
	return ring, nil
}

// verified returns the text that one of the keys has signed, and nothing of what is around it.
func verified(armored string, signed []byte) ([]byte, error) {
	ring, err := checkKey(armored)
	if err != nil {
		return nil, err
	}
	block, rest := clearsign.Decode(signed)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, refuse("the server's index is not signed; with a key given that is refused")
	}
	if _, err := block.VerifySignature(ring, nil); err != nil {
		return nil, refuse("the signature of the server's index is not of the key that was given (%.80v)", err)
	}
	return block.Plaintext, nil
}
