package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// headSize is the size of the file head. It is overwritten in place with every commit, which
// costs a copy into the page cache, where replacing it by rename would cost more than the
// journal's own fdatasync. Within one sector of 512 bytes a disk writes all or nothing.
const headSize = 512

const headName = "head"

// encodeHead returns the whole file: a signed line, filled with spaces before its newline.
func encodeHead(h Head, key ed25519.PrivateKey) []byte {
	text := appendSigned(make([]byte, 0, headSize), headName, headDomain, h, key)
	text = append(text[:len(text)-1], bytes.Repeat([]byte(" "), headSize-len(text))...)
	return append(text, '\n')
}

var errHead = errors.New("the file head was changed: it is not what its signature covers")

// ParseHead reads a copy of the file head and checks its signature.
func ParseHead(text []byte, key ed25519.PublicKey) (Head, error) {
	var h Head
	text, ok := bytes.CutSuffix(text, []byte("\n"))
	line := bytes.TrimRight(text, " ")
	signature, err := parseSigned(line, headName, &h)
	if !ok || len(text) != headSize-1 || err != nil || !isSigned(key, headDomain, h, signature) {
		return Head{}, errHead
	}
	return h, nil
}

// readHead returns the head of a journal. While an agent writes, a reader may see half of the old
// and half of the new file, so what does not verify is read again.
func readHead(dir string, key ed25519.PublicKey, patience time.Duration) (h Head, err error) {
	for range 5 {
		var text []byte
		if text, err = os.ReadFile(filepath.Join(dir, headName)); err != nil {
			return Head{}, err
		}
		if h, err = ParseHead(text, key); err == nil {
			return h, nil
		}
		time.Sleep(patience)
	}
	return Head{}, err
}
