package unpack

import (
	"archive/tar"
	"io"
	"path"
	"strings"
	"time"
)

// A squashInode is one file of a squashfs.
type squashInode struct {
	header tar.Header // without its name
	links  uint32
	xattrs uint32 // index, or noEntry

	// Of a directory: where its list lies.
	dirBlock uint64
	dirOff   int
	dirSize  uint32

	// Of a regular file.
	start    uint64
	fragment uint32
	fragOff  uint32
	blocks   *cursor // on the list of block sizes
}

// The kinds of inodes; those from 8 are the same again with more fields.
const (
	squashDir = iota + 1
	squashFile
	squashSymlink
	squashBlock
	squashChar
	squashFIFO
	squashSocket
	squashExtended = 7
)

// walk calls take with every entry but sockets, directories before what is in them, as a tar would
// have them: a file with several names is a hard link after the first.
func (s *squashfs) walk(take func(h *tar.Header, body io.Reader) error) error {
	w := &squashWalk{squashfs: s, take: take, seen: map[uint64]string{}}
	return w.inode(s.super.Root, ".", 0)
}

type squashWalk struct {
	*squashfs
	take func(h *tar.Header, body io.Reader) error
	seen map[uint64]string // inodes with several names, and directories, by where they lie
	n    int
}

func (w *squashWalk) inode(ref uint64, name string, depth int) error {
	if w.n++; w.n > w.limits.Entries || depth > w.limits.Depth {
		return refuse("the squashfs has more entries, or deeper ones, than an image may have")
	}
	i, err := w.read(ref)
	if err != nil {
		return err
	}
	h := i.header
	h.Name = name
	first, again := w.seen[ref]
	if i.dirList() || i.links > 1 {
		w.seen[ref] = name
	}
	switch {
	case h.Typeflag == 0:
		return nil // a socket means nothing without the process that made it
	case again && i.dirList():
		return refuse("the squashfs has the directory %q in two places", name)
	case again:
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		return w.take(&h, strings.NewReader(""))
	}
	if h.PAXRecords, err = w.attributes(i.xattrs); err != nil {
		return err
	}
	if err := w.take(&h, &squashBody{fs: w.squashfs, inode: i, left: h.Size}); err != nil || !i.dirList() {
		return err
	}
	return w.children(i, name, depth)
}

func (i *squashInode) dirList() bool { return i.header.Typeflag == tar.TypeDir }

// children goes through a directory. Its size counts 3 bytes for . and .. that are not there.
func (w *squashWalk) children(i *squashInode, dir string, depth int) error {
	c := w.cursor(w.super.DirTable, i.dirBlock, i.dirOff)
	for left := int64(i.dirSize) - 3; left > 0; {
		count, block := c.u32(), c.u32()
		c.u32() // the inode number the entries count from
		left -= 12
		if c.err != nil || count >= 256 {
			return orDamaged(c.err)
		}
		for range count + 1 {
			off := c.u16()
			c.read(4) // inode number and kind, which the inode has too
			name := string(c.read(int(c.u16()) + 1))
			left -= 8 + int64(len(name))
			if c.err != nil {
				return c.err
			}
			if strings.Contains(name, "/") || name == "." || name == ".." {
				return refuse("the name %.80q in the squashfs is none that a file can have", name)
			}
			if err := w.inode(uint64(block)<<16|uint64(off), path.Join(dir, name), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads an inode by its reference: block and offset in the inode table.
func (s *squashfs) read(ref uint64) (*squashInode, error) {
	c := s.cursor(s.super.InodeTable, ref>>16, int(ref&0xffff))
	kind, mode, uid, gid, mtime := c.u16(), c.u16(), c.u16(), c.u16(), c.u32()
	c.u32() // number
	if c.err != nil {
		return nil, c.err
	}
	i := &squashInode{links: 1, xattrs: noEntry}
	h := &i.header
	h.Mode, h.ModTime = int64(mode&0o7777), time.Unix(int64(mtime), 0)
	var err error
	if h.Uid, err = s.id(uid); err != nil {
		return nil, err
	}
	if h.Gid, err = s.id(gid); err != nil {
		return nil, err
	}
	extended := kind > squashExtended
	if extended {
		kind -= squashExtended
	}
	switch kind {
	case squashDir:
		i.readDir(c, extended)
	case squashFile:
		i.readFile(c, extended)
	case squashSymlink, squashBlock, squashChar, squashFIFO, squashSocket:
		i.readSpecial(c, kind, extended)
	default:
		return nil, errSquash
	}
	return i, c.err
}

func (i *squashInode) readDir(c *cursor, extended bool) {
	i.header.Typeflag = tar.TypeDir
	if !extended {
		i.dirBlock = uint64(c.u32())
		i.links, i.dirSize, i.dirOff = c.u32(), uint32(c.u16()), int(c.u16())
		return
	}
	i.links, i.dirSize, i.dirBlock = c.u32(), c.u32(), uint64(c.u32())
	c.u32() // parent
	c.u16() // size of an index that is for the kernel
	i.dirOff, i.xattrs = int(c.u16()), c.u32()
}

func (i *squashInode) readFile(c *cursor, extended bool) {
	i.header.Typeflag = tar.TypeReg
	var size uint64
	if extended {
		i.start, size = c.u64(), c.u64()
		c.u64() // sparse bytes
		i.links, i.fragment, i.fragOff, i.xattrs = c.u32(), c.u32(), c.u32(), c.u32()
	} else {
		i.start, i.fragment, i.fragOff, size = uint64(c.u32()), c.u32(), c.u32(), uint64(c.u32())
	}
	if size > 1<<62 {
		c.err = errSquash
		return
	}
	i.header.Size = int64(size)
	list := *c
	list.left = 1 << 40
	i.blocks = &list
}

func (i *squashInode) readSpecial(c *cursor, kind uint16, extended bool) {
	i.links = c.u32()
	switch kind {
	case squashSymlink:
		n := c.u32()
		if n > 4096 {
			c.err = errSquash
			return
		}
		i.header.Typeflag, i.header.Linkname = tar.TypeSymlink, string(c.read(int(n)))
	case squashBlock, squashChar:
		c.u32()
		i.header.Typeflag = map[uint16]byte{squashBlock: tar.TypeBlock, squashChar: tar.TypeChar}[kind]
	case squashFIFO:
		i.header.Typeflag = tar.TypeFifo
	}
	if extended {
		i.xattrs = c.u32()
	}
}

// A squashBody reads a regular file: its blocks, then its part of a fragment.
type squashBody struct {
	fs    *squashfs
	inode *squashInode
	left  int64
	at    int64 // of the next block, beyond inode.start
	chunk []byte
}

func (b *squashBody) Read(p []byte) (int, error) {
	for len(b.chunk) == 0 {
		if b.left <= 0 {
			return 0, io.EOF
		}
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.chunk)
	b.chunk = b.chunk[n:]
	return n, nil
}

// next fetches the block, or the fragment, that comes now.
func (b *squashBody) next() error {
	size := int(min(int64(b.fs.super.BlockSize), b.left))
	if size < int(b.fs.super.BlockSize) && b.inode.fragment != noEntry {
		return b.tail(size)
	}
	word := b.inode.blocks.u32()
	if b.inode.blocks.err != nil {
		return b.inode.blocks.err
	}
	b.left -= int64(size)
	n := int(word &^ plainData)
	if n == 0 { // a hole
		b.chunk = make([]byte, size)
		return nil
	}
	if b.inode.start > uint64(b.fs.size) {
		return errSquash
	}
	text, err := b.fs.decode(int64(b.inode.start)+b.at, n, word&plainData == 0, int(b.fs.super.BlockSize))
	if err != nil || len(text) != size {
		return orDamaged(err)
	}
	b.at += int64(n)
	b.chunk = text
	return nil
}

func (b *squashBody) tail(size int) error {
	text, err := b.fs.fragmentOf(b.inode.fragment)
	if err != nil {
		return err
	}
	from := int64(b.inode.fragOff)
	if from+int64(size) > int64(len(text)) {
		return errSquash
	}
	b.left = 0
	b.chunk = text[from : from+int64(size)]
	return nil
}

func (s *squashfs) fragmentOf(n uint32) ([]byte, error) {
	if n >= s.super.Fragments {
		return nil, errSquash
	}
	c := s.indexed(s.super.FragmentTable, int(n), 16)
	start, word := c.u64(), c.u32()
	if c.err != nil || start > uint64(s.size) {
		return nil, orDamaged(c.err)
	}
	if s.part.start == int64(start) {
		return s.part.text, nil
	}
	text, err := s.decode(int64(start), int(word&^plainData), word&plainData == 0, int(s.super.BlockSize))
	if err != nil {
		return nil, err
	}
	s.part = fragment{int64(start), text}
	return text, nil
}

// attributes reads the extended attributes of an inode, named as in a pax header.
func (s *squashfs) attributes(n uint32) (map[string]string, error) {
	if n == noEntry || s.super.XattrTable == noTable {
		return nil, nil
	}
	if s.super.XattrTable > uint64(s.size) {
		return nil, errSquash
	}
	head := make([]uint64, 2) // where names and values begin; how many lists there are
	raw, err := s.bytes(int64(s.super.XattrTable), 16)
	if err != nil {
		return nil, err
	}
	for i := range head {
		for j := 7; j >= 0; j-- {
			head[i] = head[i]<<8 | uint64(raw[i*8+j])
		}
	}
	if uint64(n) >= head[1]&noEntry {
		return nil, errSquash
	}
	entry := s.indexed(s.super.XattrTable+16, int(n), 16)
	ref, count := entry.u64(), entry.u32()
	if entry.err != nil || count > 1000 {
		return nil, orDamaged(entry.err)
	}
	c := s.cursor(head[0], ref>>16, int(ref&0xffff))
	out := map[string]string{}
	c.left = 64 << 10 // more than any file system keeps of one inode
	for range count {
		kind := c.u16()
		name := string(c.read(int(c.u16())))
		value := s.attributeValue(c, head[0], kind&0x100 != 0)
		if c.err != nil {
			return nil, c.err
		}
		if prefix := []string{"user.", "trusted.", "security."}; int(kind&0xff) < len(prefix) {
			out[paxXattr+prefix[kind&0xff]+name] = value
		}
	}
	return out, nil
}

// attributeValue reads a value, which may lie elsewhere when several inodes share it.
func (s *squashfs) attributeValue(c *cursor, table uint64, elsewhere bool) string {
	n := c.u32()
	if elsewhere {
		ref := c.u64()
		if c.err != nil {
			return ""
		}
		c2 := s.cursor(table, ref>>16, int(ref&0xffff))
		c2.left = c.left
		value := s.attributeValue(c2, table, false)
		c.err, c.left = c2.err, c2.left
		return value
	}
	if n > 64<<10 {
		c.err = errSquash
		return ""
	}
	return string(c.read(int(n)))
}
