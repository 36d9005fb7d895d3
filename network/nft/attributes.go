package nft

import "encoding/binary"

// attributes are a run of netlink attributes (struct nlattr of linux/netlink.h), as nf_tables takes
// them: numbers in the network's order, strings with a zero at their end.
type attributes []byte

const (
	headerLength = 4
	nested       = 1 << 15 // NLA_F_NESTED
)

func (a *attributes) bytes(kind int, value []byte) {
	at := len(*a)
	*a = append(*a, 0, 0, 0, 0)
	*a = append(*a, value...)
	a.end(at, kind)
}

func (a *attributes) text(kind int, value string) {
	at := len(*a)
	*a = append(*a, 0, 0, 0, 0)
	*a = append(append(*a, value...), 0)
	a.end(at, kind)
}

func (a *attributes) number(kind int, value uint32) {
	a.bytes(kind, binary.BigEndian.AppendUint32(nil, value))
}

func (a *attributes) long(kind int, value uint64) {
	a.bytes(kind, binary.BigEndian.AppendUint64(nil, value))
}

// nest puts what fill writes into one attribute.
func (a *attributes) nest(kind int, fill func(*attributes)) {
	at := len(*a)
	*a = append(*a, 0, 0, 0, 0)
	fill(a)
	a.end(at, kind|nested)
}

// end writes the header of what began there, and fills up to four bytes.
func (a *attributes) end(at, kind int) {
	binary.NativeEndian.PutUint16((*a)[at:], uint16(len(*a)-at))
	binary.NativeEndian.PutUint16((*a)[at+2:], uint16(kind))
	for len(*a)%4 != 0 {
		*a = append(*a, 0)
	}
}
