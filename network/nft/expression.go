package nft

import "golang.org/x/sys/unix"

func (e *encoder) expression(name string, fill func(*attributes)) {
	e.out.nest(unix.NFTA_LIST_ELEM, func(a *attributes) {
		a.text(unix.NFTA_EXPR_NAME, name)
		a.nest(unix.NFTA_EXPR_DATA, fill)
	})
}

func (e *encoder) load(key uint32) {
	e.expression("meta", func(a *attributes) {
		a.number(unix.NFTA_META_KEY, key)
		a.number(unix.NFTA_META_DREG, unix.NFT_REG_1)
	})
}

func (e *encoder) payload(base, offset, length, register uint32) {
	e.expression("payload", func(a *attributes) {
		a.number(unix.NFTA_PAYLOAD_DREG, register)
		a.number(unix.NFTA_PAYLOAD_BASE, base)
		a.number(unix.NFTA_PAYLOAD_OFFSET, offset)
		a.number(unix.NFTA_PAYLOAD_LEN, length)
	})
}

func (e *encoder) compare(op uint32, value []byte) {
	e.expression("cmp", func(a *attributes) {
		a.number(unix.NFTA_CMP_SREG, unix.NFT_REG_1)
		a.number(unix.NFTA_CMP_OP, op)
		a.nest(unix.NFTA_CMP_DATA, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, value) })
	})
}

func (e *encoder) mask(mask []byte) {
	e.expression("bitwise", func(a *attributes) {
		a.number(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1)
		a.number(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1)
		a.number(unix.NFTA_BITWISE_LEN, uint32(len(mask)))
		a.nest(unix.NFTA_BITWISE_MASK, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, mask) })
		a.nest(unix.NFTA_BITWISE_XOR, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, make([]byte, len(mask))) })
	})
}

// lookup looks the register up in a set; into is where a map's data goes, -1 for a set.
func (e *encoder) lookup(set string, not bool, from uint32, into int) {
	e.expression("lookup", func(a *attributes) {
		a.text(unix.NFTA_LOOKUP_SET, set)
		a.number(unix.NFTA_LOOKUP_SREG, from)
		if into >= 0 {
			a.number(unix.NFTA_LOOKUP_DREG, uint32(into))
		}
		if not {
			a.number(unix.NFTA_LOOKUP_FLAGS, unix.NFT_LOOKUP_F_INV)
		}
	})
}

func (e *encoder) immediate(register uint32, fill func(*attributes)) {
	e.expression("immediate", func(a *attributes) {
		a.number(unix.NFTA_IMMEDIATE_DREG, register)
		a.nest(unix.NFTA_IMMEDIATE_DATA, fill)
	})
}

func (e *encoder) verdict(code uint32, chain string) {
	e.immediate(unix.NFT_REG_VERDICT, func(a *attributes) { putVerdict(a, code, chain) })
}
