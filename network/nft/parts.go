package nft

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// hooks are the places of family inet (enum nf_inet_hooks).
var hooks = []string{"prerouting", "input", "forward", "output", "postrouting"}

func (w *writer) newChain(name string, h Hook) {
	w.add(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, func(a *attributes) {
		a.text(unix.NFTA_CHAIN_TABLE, w.table)
		a.text(unix.NFTA_CHAIN_NAME, name)
		if h.Kind == "" {
			return
		}
		a.nest(unix.NFTA_CHAIN_HOOK, func(a *attributes) {
			a.number(unix.NFTA_HOOK_HOOKNUM, uint32(slices.Index(hooks, h.At)))
			a.number(unix.NFTA_HOOK_PRIORITY, uint32(h.Priority))
		})
		a.number(unix.NFTA_CHAIN_POLICY, verdictAccept)
		a.text(unix.NFTA_CHAIN_TYPE, h.Kind)
	})
}

func (w *writer) flush(chain string) {
	w.add(unix.NFT_MSG_DELRULE, 0, func(a *attributes) { // without a handle: all of them
		a.text(unix.NFTA_RULE_TABLE, w.table)
		a.text(unix.NFTA_RULE_CHAIN, chain)
	})
}

func (w *writer) rule(chain, text string) {
	expressions, comment, err := encodeRule(text)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.add(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, func(a *attributes) {
		a.text(unix.NFTA_RULE_TABLE, w.table)
		a.text(unix.NFTA_RULE_CHAIN, chain)
		a.bytes(unix.NFTA_RULE_EXPRESSIONS|nested, expressions)
		if comment != "" {
			a.bytes(unix.NFTA_RULE_USERDATA, commentData(comment))
		}
	})
}

// commentData is how nft(8) keeps a comment: type 0, its length, the text (libnftnl's udata.h).
func commentData(text string) []byte {
	text = text[:min(len(text), math.MaxUint8-1)]
	return append(append([]byte{0, byte(len(text) + 1)}, text...), 0)
}

// A dataType is what a set has: nft's own number (include/datatype.h), which the kernel keeps for whoever
// lists it, the length, and how to read one.
type dataType struct {
	number, length uint32
	parse          func(text string) ([]byte, error)
}

const verdictType = "verdict"

var dataTypes = map[string]dataType{
	"ipv4_addr":    {7, 4, addressBytes},
	"ipv6_addr":    {8, 16, addressBytes},
	"inet_service": {13, 2, portBytes},
	"ifname":       {41, unix.IFNAMSIZ, interfaceBytes},
	// NFT_DATA_VERDICT of the kernel
	verdictType: {0xffffff00, 0, nil},
}

func addressBytes(text string) ([]byte, error) {
	address, err := netip.ParseAddr(text)
	return address.AsSlice(), err
}

func portBytes(text string) ([]byte, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	return binary.BigEndian.AppendUint16(nil, uint16(port)), err
}

// interfaceBytes reads a quoted name.
func interfaceBytes(text string) ([]byte, error) {
	name, err := strconv.Unquote(text)
	if err == nil && len(name) >= unix.IFNAMSIZ {
		err = fmt.Errorf("%s is too long for the name of an interface", text)
	}
	out := make([]byte, unix.IFNAMSIZ)
	copy(out, name)
	return out, err
}

func (w *writer) newSet(name string, s Set) {
	w.sets++
	w.add(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, func(a *attributes) {
		a.text(unix.NFTA_SET_TABLE, w.table)
		a.text(unix.NFTA_SET_NAME, name)
		flags := uint32(0)
		if s.Data != "" {
			flags = unix.NFT_SET_MAP
		}
		a.number(unix.NFTA_SET_FLAGS, flags)
		a.number(unix.NFTA_SET_KEY_TYPE, dataTypes[s.Key].number)
		a.number(unix.NFTA_SET_KEY_LEN, dataTypes[s.Key].length)
		if s.Data != "" {
			a.number(unix.NFTA_SET_DATA_TYPE, dataTypes[s.Data].number)
			a.number(unix.NFTA_SET_DATA_LEN, dataTypes[s.Data].length)
		}
		a.number(unix.NFTA_SET_ID, w.sets)
		if s.Key == "ifname" { // nft(8) reads names in the host's order only if it is told so (libnftnl's udata.h)
			a.bytes(unix.NFTA_SET_USERDATA, append([]byte{0, 4}, binary.NativeEndian.AppendUint32(nil, 1)...))
		}
	})
}

// elementsTogether is how many elements are in one message: its list has to be shorter than 64 KiB.
const elementsTogether = 500

// elements adds elements to a set, or takes them away.
func (w *writer) elements(kind int, name string, s Set, all []string) {
	for some := range slices.Chunk(all, elementsTogether) {
		w.add(kind, unix.NLM_F_CREATE, func(a *attributes) {
			a.text(unix.NFTA_SET_ELEM_LIST_TABLE, w.table)
			a.text(unix.NFTA_SET_ELEM_LIST_SET, name)
			a.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a *attributes) {
				for _, text := range some {
					a.nest(unix.NFTA_LIST_ELEM, func(a *attributes) { w.element(a, s, text) })
				}
			})
		})
	}
}

func (w *writer) element(a *attributes, s Set, text string) {
	key, data, _ := strings.Cut(text, " : ")
	raw, err := dataTypes[s.Key].parse(key)
	a.nest(unix.NFTA_SET_ELEM_KEY, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, raw) })
	switch {
	case s.Data == verdictType:
		a.nest(unix.NFTA_SET_ELEM_DATA, func(a *attributes) {
			word, chain, _ := strings.Cut(data, " ")
			code, ok := verdicts[word]
			if putVerdict(a, code, chain); !ok && err == nil {
				err = fmt.Errorf("%q is no verdict", data)
			}
		})
	case s.Data != "":
		value, err2 := dataTypes[s.Data].parse(data)
		if err == nil {
			err = err2
		}
		a.nest(unix.NFTA_SET_ELEM_DATA, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, value) })
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("element %q: %w", text, err)
	}
}

const (
	verdictDrop   = 0 // NF_DROP
	verdictAccept = 1 // NF_ACCEPT
	verdictJump   = unix.NFT_JUMP & math.MaxUint32
)

var verdicts = map[string]uint32{"accept": verdictAccept, "drop": verdictDrop, "jump": verdictJump}

func putVerdict(a *attributes, code uint32, chain string) {
	a.nest(unix.NFTA_DATA_VERDICT, func(a *attributes) {
		a.number(unix.NFTA_VERDICT_CODE, code)
		if chain != "" {
			a.text(unix.NFTA_VERDICT_CHAIN, chain)
		}
	})
}
