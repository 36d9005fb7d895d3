package unpack

import (
	"encoding/binary"
	"io"
	"math"
)

// A squashfs is a read-only file system of the kernel's (Documentation/filesystems/squashfs.rst,
// version 4.0). It is read here and not by unsquashfs(1) or a mount: both parse what a stranger
// wrote in C, the second as the kernel, and entries have to pass the same checks as those of a tar.
//
// Everything read is checked against the size of the file before it is used, tables are loaded as
// they are needed, and decoded bytes count against the limit of a stream.
type squashfs struct {
	file   io.ReaderAt
	size   int64
	super  superblock
	unpack func(packed []byte, most int) ([]byte, error)
	limits Limits
	spent  int64 // decoded bytes
	blocks map[int64]metablock
	part   fragment // decoded last: files next to each other share it
	ids    []uint32
}

const squashMagic = "hsqs"

// superblock is the head of the file, little-endian.
type superblock struct {
	Magic, Inodes, ModTime, BlockSize, Fragments uint32
	Compressor, BlockLog, Flags, IDs             uint16
	Major, Minor                                 uint16
	Root, Bytes                                  uint64
	IDTable, XattrTable, InodeTable              uint64
	DirTable, FragmentTable, ExportTable         uint64
}

const (
	metaSize  = 8192 // most of a metadata block, decoded
	plainMeta = 1 << 15
	plainData = 1 << 24
	noTable   = math.MaxUint64
	noEntry   = math.MaxUint32
)

// A metablock is a decoded metadata block and where the next one lies.
type metablock struct {
	text []byte
	next int64
}

type fragment struct {
	start int64
	text  []byte
}

// openSquashfs reads the head. It refuses what it can't read before anything is made of it.
func openSquashfs(file io.ReaderAt, size int64, l Limits) (*squashfs, error) {
	s := &squashfs{file: file, size: size, limits: l, blocks: map[int64]metablock{}, part: fragment{start: -1}}
	if err := binary.Read(io.NewSectionReader(file, 0, size), binary.LittleEndian, &s.super); err != nil {
		return nil, refuse("the squashfs is cut off")
	}
	b := s.super
	switch {
	case string(binary.LittleEndian.AppendUint32(nil, b.Magic)) != squashMagic || b.Major != 4 || b.Minor != 0:
		return nil, refuse("the file is no squashfs of version 4.0")
	case b.BlockSize < 4096 || b.BlockSize > 1<<20 || b.BlockSize&(b.BlockSize-1) != 0:
		return nil, refuse("the squashfs is damaged: blocks of %d bytes", b.BlockSize)
	case b.Bytes > uint64(size):
		return nil, refuse("the squashfs is cut off: it says it has %d bytes and the file has %d", b.Bytes, size)
	case int64(b.Inodes) > int64(l.Entries):
		return nil, refuse("the archive holds more than %d entries", l.Entries)
	}
	var err error
	if s.unpack, err = squashDecoder(b.Compressor); err != nil {
		return nil, err
	}
	return s, s.readIDs()
}

var errSquash = refuse("the squashfs is damaged")

// bytes reads n bytes of the file.
func (s *squashfs) bytes(at int64, n int) ([]byte, error) {
	if at < 0 || n < 0 || at > s.size || int64(n) > s.size-at {
		return nil, errSquash
	}
	b := make([]byte, n)
	if _, err := s.file.ReadAt(b, at); err != nil {
		return nil, err
	}
	return b, nil
}

// decode unpacks a block of at most most bytes.
func (s *squashfs) decode(at int64, n int, packed bool, most int) ([]byte, error) {
	if n > most+most/2+1024 { // more than any compressor makes of that many bytes
		return nil, errSquash
	}
	b, err := s.bytes(at, n)
	if err == nil && packed {
		b, err = s.unpack(b, most)
	}
	switch {
	case err != nil:
		return nil, broken(err)
	case len(b) > most:
		return nil, errSquash
	}
	if s.spent += int64(len(b)); s.spent > s.limits.Stream {
		return nil, refuse("the archive unfolds to more than %d bytes", s.limits.Stream)
	}
	return b, nil
}

// meta returns the metadata block at a place of the file.
func (s *squashfs) meta(at int64) (metablock, error) {
	if m, ok := s.blocks[at]; ok {
		return m, nil
	}
	head, err := s.bytes(at, 2)
	if err != nil {
		return metablock{}, err
	}
	word := int(binary.LittleEndian.Uint16(head))
	n := word &^ plainMeta
	text, err := s.decode(at+2, n, word&plainMeta == 0, metaSize)
	if err != nil || len(text) == 0 {
		return metablock{}, orDamaged(err)
	}
	if len(s.blocks) >= 1024 { // 8 MiB
		clear(s.blocks)
	}
	m := metablock{text, at + 2 + int64(n)}
	s.blocks[at] = m
	return m, nil
}

func orDamaged(err error) error {
	if err == nil {
		return errSquash
	}
	return err
}

// A cursor reads metadata across blocks.
type cursor struct {
	fs   *squashfs
	at   int64 // of the block, in the file
	off  int   // in the block
	err  error
	left int64 // how much may be read on; guards against lists that never end
}

func (s *squashfs) cursor(table, block uint64, off int) *cursor {
	c := &cursor{fs: s, off: off, left: 64 << 20}
	if table > uint64(s.size) || block > uint64(s.size) {
		c.err = errSquash
	}
	c.at = int64(table + block)
	return c
}

// read returns n bytes, nil after an error.
func (c *cursor) read(n int) []byte {
	if c.left -= int64(n); c.err == nil && (n < 0 || c.left < 0) {
		c.err = errSquash
	}
	var out []byte
	for c.err == nil && len(out) < n {
		m, err := c.fs.meta(c.at)
		switch {
		case err != nil:
			c.err = err
		case c.off > len(m.text):
			c.err = errSquash
		case c.off == len(m.text):
			c.at, c.off = m.next, 0
		default:
			more := m.text[c.off:min(len(m.text), c.off+n-len(out))]
			out, c.off = append(out, more...), c.off+len(more)
		}
	}
	if c.err != nil {
		return nil
	}
	return out
}

func (c *cursor) u16() uint16 {
	if b := c.read(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.read(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.read(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// indexed returns a cursor on entry n of a table whose blocks are listed at list, with per entries
// of size bytes in each.
func (s *squashfs) indexed(list uint64, n, size int) *cursor {
	per := metaSize / size
	at := int64(list) + int64(n/per)*8
	if list > uint64(s.size) {
		at = -1
	}
	b, err := s.bytes(at, 8)
	if err != nil {
		return &cursor{err: err}
	}
	return s.cursor(0, binary.LittleEndian.Uint64(b), n%per*size)
}

func (s *squashfs) readIDs() error {
	for n := range int(s.super.IDs) {
		c := s.indexed(s.super.IDTable, n, 4)
		s.ids = append(s.ids, c.u32())
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

func (s *squashfs) id(n uint16) (int, error) {
	if int(n) >= len(s.ids) {
		return 0, errSquash
	}
	return int(s.ids[n]), nil
}
