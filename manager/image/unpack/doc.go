// Package unpack turns archives of root file systems into trees, and trees into the one archive
// that stands for them.
//
// All parsing happens in a child of the agent that confine has shut in: [Run] is the agent's
// side, [Main] the child's. The child reads a tar (plain, gzip, xz, zstd or bzip2) from its
// standard input, writes the tree below the directory it was given, looks at what came out, and
// answers with a [Report]. On request it writes the tree as a canonical archive as well, whose
// SHA-256 is the image's digest (see canonical.go for the format).
//
// What an archive may hold: directories, regular files with setuid bits, file capabilities and
// user.* attributes, hard links to its own files, symbolic links to anywhere, and FIFOs. What
// lies below /dev is left out, since a container gets its own. All else is refused with a
// sentence that names the entry, and the caller throws the half-made tree away.
package unpack
