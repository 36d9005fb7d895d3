// Package recording writes and reads what sessions showed.
//
// A recording is a file that is only ever added to: the line "lodge.recording 1", then blocks
//
//	kind (1 byte) | length of the payload (4 bytes, big endian) | sum (32 bytes) | payload
//
// where sum is SHA-256 over the sum of the block before (32 zero bytes at first), kind, length and
// payload. So a block that was changed, moved, taken out or put in doesn't fit what is before it, and
// what a crash left is good up to its last whole block. The audit journal names the SHA-256 of the file.
//
//	1 header   JSON: version, begin, and, where it is sealed, the file's key for its readers
//	2 frames   Zstandard; with a key, sealed by AES-256-GCM whose nonce is the number of the block
//	3 end      JSON: how many frames and bytes there were, and whether some are missing
//
// The first frame is the session's Meta, so a sealed recording says nothing of it. The key is sealed
// with age (C2SP age-encryption.org/v1) for its recipients: the host that wrote it can't read it.
//
// A frame is microseconds since the one before (uvarint), a kind (1 byte), a length (uvarint) and as
// many bytes. Bytes are kept as they were, so they need not be text.
package recording
