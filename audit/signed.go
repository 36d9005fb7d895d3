package audit

import (
	"golang.org/x/mod/sumdb/tlog"
)

// claim is a checkpoint from elsewhere, and what the tree is at its size.
type claim struct {
	Checkpoint
	own    bool
	log    bool // it comes from a log, which may be of several journals
	broken error
	root   tlog.Hash
	known  bool
}

// claim adds a checkpoint that the journal has to agree with.
func (c *checker) claim(text []byte, own bool) *claim {
	cp, err := parseCheckpoint(trimPadding(text))
	c.claims = append(c.claims, claim{Checkpoint: cp, own: own, broken: err})
	if c.bySize == nil {
		c.bySize = map[int64][]int{}
	}
	n := len(c.claims) - 1
	c.bySize[cp.Size] = append(c.bySize[cp.Size], n)
	return &c.claims[n]
}

// compare keeps the root at the sizes that a checkpoint from elsewhere speaks of.
func (c *checker) compare() {
	for _, i := range c.bySize[c.edge.size] { // an auditor may come with a year of them
		if cl := &c.claims[i]; !c.lost && !cl.known {
			cl.root, cl.known = c.edge.root(), true
		}
	}
}

// checkpoint compares what is signed with what there is.
func (c *checker) checkpoint(fr frame) {
	cp, err := parseCheckpoint(fr.payload)
	after := c.good.edge.size
	switch {
	case err != nil || cp.Origin != c.header.Origin:
		c.problem(after+1, fr.offset, FaultRewritten, "what stands in the place of a checkpoint is none of this journal's")
		return
	case c.doubt > 0 || c.lost:
	case cp.Size > c.edge.size:
		c.problem(c.edge.size+1, fr.offset, FaultRemoved, "%s missing before the checkpoint", records(c.edge.size+1, cp.Size))
	case cp.Size < c.edge.size:
		c.problem(after+1, fr.offset, FaultInserted, "the checkpoint covers %d records, and there are %d", cp.Size, c.edge.size)
	case cp.Root != c.edge.root():
		c.problem(after+1, fr.offset, FaultRewritten, "what was signed of %s something else", recordsAre(after+1, cp.Size))
	case cp.Segment != c.header.First || cp.Offset != fr.offset || cp.Sum != fr.sum:
		c.problem(after+1, fr.offset, FaultRewritten, "the segment's bytes before the checkpoint are not those that were signed")
	}
	c.report.Checkpoints++
	if c.doubt > 0 || c.lost {
		c.lost, c.doubt, c.next = true, 0, nil
		c.edge.size = max(c.edge.size, cp.Size)
		return
	}
	c.story.sign(cp.At, after)
	c.pending = &cp
	c.good.edge, c.good.checkpoint, c.good.times, c.good.end = c.edge.clone(), cp, c.times, fr.end
	c.good.sealed = c.sealing
	if c.next != nil {
		c.changeKey(fr)
	}
}

// changeKey checks the signature that a change of key rests on.
func (c *checker) changeKey(fr frame) {
	c.proof(fr.offset)
	old := c.keys[len(c.keys)-1]
	key, err := c.next.follows(c.header.Origin, old)
	if err != nil {
		c.problem(c.edge.size, fr.offset, FaultKey, "the record of the next key: %v", err)
	} else {
		c.keys, c.links = append(c.keys, key), append(c.links[:len(c.links):len(c.links)], *c.next)
	}
	c.next, c.pending = nil, nil
}

// proof checks the signature of the last checkpoint that fits.
func (c *checker) proof(offset int64) {
	if c.pending != nil && !c.pending.isExact(c.keys[len(c.keys)-1]) {
		c.problem(c.pending.Size, offset, FaultKey, "the checkpoint does not carry the signature of the key %s",
			Fingerprint(c.keys[len(c.keys)-1]))
	}
	c.pending = nil
}

// seal checks the segment's summary, which can be computed from what is before it.
func (c *checker) seal(fr frame) {
	var s seal
	err := decodeExact(fr.payload, &s)
	want := seal{extent: c.present(fr.offset, fr.sum), Root: c.edge.root()}
	if c.doubt == 0 && !c.lost && (err != nil || s != want) {
		c.problem(c.edge.size, fr.offset, FaultSeal, "the segment's seal does not fit its records")
	}
	c.sealing = true
}
