package unpack

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// The canonical archive of a tree. The same tree gives the same bytes on every machine and with
// every version of Lodge, hence no use of archive/tar, whose output is not promised:
//
//   - POSIX ustar headers; a pax extended header ("x", named "pax") before an entry whose path or
//     target is longer than 100 bytes or not ASCII, whose size is 8 GiB or more, or that has
//     extended attributes. Its records are sorted by key.
//   - The root is "./". A directory comes before what is in it, and ends with a slash. The names
//     in a directory are sorted by bytes. What is in /dev is left out.
//   - Numeric ids; user and group names are empty. Times are whole seconds, not before 1970.
//   - A file with several names is stored under the first; the others are hard links to that.
//   - Sockets are left out. Holes are zeros.
//   - Two blocks of zeros end it; there is no padding to a record.
type canonical struct {
	w   io.Writer
	err error
}

const block = 512

// A record is one entry as the archive shows it.
type record struct {
	path   string
	kind   byte
	mode   uint32
	uid    uint32
	gid    uint32
	size   int64
	mtime  int64
	target string
	xattrs []xattr
}

// header writes r's headers. The caller writes size bytes after it and calls pad.
func (c *canonical) header(r record) {
	if extra := paxRecords(r); len(extra) > 0 {
		c.block(record{path: "pax", kind: 'x', mode: 0o644, size: int64(len(extra))})
		c.write(extra)
		c.pad(int64(len(extra)))
	}
	c.block(r)
}

// block writes one ustar header. What does not fit its field is cut: a pax record then says it
// in full.
func (c *canonical) block(r record) {
	var b [block]byte
	copy(b[0:100], r.path)
	octal(b[100:108], int64(r.mode))
	octal(b[108:116], int64(r.uid))
	octal(b[116:124], int64(r.gid))
	size := r.size
	if size >= ustarSize {
		size = 0
	}
	octal(b[124:136], size)
	octal(b[136:148], r.mtime)
	copy(b[148:156], "        ") // the checksum counts its own field as spaces
	b[156] = r.kind
	copy(b[157:257], r.target)
	copy(b[257:265], "ustar\x0000")
	octal(b[329:337], 0)
	octal(b[337:345], 0)
	sum := int64(0)
	for _, v := range b {
		sum += int64(v)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	c.write(b[:])
}

// ustarSize is the first size that 11 octal digits can't hold.
const ustarSize = 1 << 33

func octal(field []byte, v int64) {
	copy(field, fmt.Sprintf("%0*o", len(field)-1, v))
}

func paxRecords(r record) []byte {
	type pair struct{ key, value string }
	var pairs []pair
	if !fitsUstar(r.path) {
		pairs = append(pairs, pair{"path", r.path})
	}
	if !fitsUstar(r.target) {
		pairs = append(pairs, pair{"linkpath", r.target})
	}
	if r.size >= ustarSize {
		pairs = append(pairs, pair{"size", strconv.FormatInt(r.size, 10)})
	}
	for _, a := range r.xattrs {
		pairs = append(pairs, pair{paxXattr + a.Name, a.Value})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare([]byte(a.key), []byte(b.key)) })
	var out []byte
	for _, p := range pairs {
		out = append(out, paxRecord(p.key, p.value)...)
	}
	return out
}

// paxRecord writes "LENGTH KEY=VALUE\n", where LENGTH counts its own digits.
func paxRecord(key, value string) string {
	size := len(key) + len(value) + 3
	n := size + len(strconv.Itoa(size))
	if len(strconv.Itoa(n)) > len(strconv.Itoa(size)) {
		n++
	}
	return strconv.Itoa(n) + " " + key + "=" + value + "\n"
}

func fitsUstar(s string) bool {
	return len(s) <= 100 && !slices.ContainsFunc([]byte(s), func(c byte) bool { return c >= 0x80 })
}

func (c *canonical) pad(size int64) {
	if rest := size % block; rest != 0 {
		c.write(make([]byte, block-rest))
	}
}

func (c *canonical) end() error {
	c.write(make([]byte, trailer))
	return c.err
}

func (c *canonical) write(p []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(p)
	}
}
