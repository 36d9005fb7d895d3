// Package image makes the root file systems that containers start from: built on the host from a
// recipe and the distribution's signed archive, or imported from an archive somebody made.
//
// An image is known by its digest, the SHA-256 of the canonical archive of its files (see package
// unpack): the same files have the same digest wherever and whenever they were put together, and a
// recipe built twice from the same state of the archive gives the same digest. An alias like
// debian/12 is a name that moves from one digest to the next.
//
// How one comes about:
//
//	build:  recipe -> mmdebstrap in a confined child -> tree ┐
//	import: archive -> unpacked by a confined child  -> tree ┴-> lint, canonical archive, digest
//	both:   canonical archive, hashed again -> confined child -> the pool; then the inventory
//
// The agent itself parses nothing of an archive or of a tree; see package confine for what a child
// can do. What makes one container different from the next is written by [FirstBoot].
package image
