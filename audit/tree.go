package audit

import (
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// An edge is the right edge of a Merkle tree (RFC 6962, 2.1): the roots of the perfect subtrees that
// all its leaves divide into, from the left. It is all that adding leaves and computing the root
// take, so nothing else of the tree is kept.
type edge struct {
	size  int64
	roots []tlog.Hash
	// built, when set, is told every node there comes to be: how a proof gets its hashes.
	built func(level int, n int64, h tlog.Hash)
}

// add adds a leaf.
func (e *edge) add(leaf tlog.Hash) {
	if e.built != nil {
		e.built(0, e.size, leaf)
	}
	e.roots = append(e.roots, leaf)
	for level, n := 1, e.size; n&1 == 1; level, n = level+1, n>>1 {
		last := len(e.roots) - 1
		e.roots[last-1] = tlog.NodeHash(e.roots[last-1], e.roots[last])
		e.roots = e.roots[:last]
		if e.built != nil {
			e.built(level, n>>1, e.roots[last-1])
		}
	}
	e.size++
}

// root is the root over all leaves; of none it is that of RFC 6962.
func (e *edge) root() tlog.Hash {
	if len(e.roots) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := e.roots[len(e.roots)-1]
	for i := len(e.roots) - 2; i >= 0; i-- {
		h = tlog.NodeHash(e.roots[i], h)
	}
	return h
}

func (e *edge) clone() edge { return edge{size: e.size, roots: slices.Clone(e.roots)} }

// edgeOf is the edge of a tree with that many leaves; ok is false when the number of roots can't be
// right.
func edgeOf(size int64, roots []tlog.Hash) (e edge, ok bool) {
	ones := 0
	for n := size; n > 0; n >>= 1 {
		ones += int(n & 1)
	}
	return edge{size: size, roots: slices.Clone(roots)}, ones == len(roots) && size >= 0
}

// tell calls built for the subtrees an edge begins with.
func (e *edge) tell(built func(level int, n int64, h tlog.Hash)) {
	at, i := int64(0), 0
	for level := 62; level >= 0; level-- {
		if e.size>>level&1 == 1 {
			built(level, at>>level, e.roots[i])
			at, i = at+1<<level, i+1
		}
	}
}
