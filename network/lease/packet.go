package lease

import (
	"encoding/binary"
	"net/netip"
)

const (
	protoUDP    = 17
	protoICMPv6 = 58

	portServer4, portClient4 = 67, 68
	portServer6, portClient6 = 547, 546
)

// A datagram is what is read from and written to a packet socket, without the frame around it.
type datagram struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16 // of UDP
	hops             uint8
	proto            uint8
	payload          []byte // after the UDP header; the whole message for ICMPv6
}

// parse4 reads an IPv4 packet with a UDP datagram in it. Checksums are not looked at: between
// interfaces of one host they are not filled in (PACKET_AUXDATA, packet(7)).
func parse4(raw []byte) (d datagram, ok bool) {
	if len(raw) < 28 || raw[0]>>4 != 4 || raw[9] != protoUDP || binary.BigEndian.Uint16(raw[6:])&0x3fff != 0 {
		return d, false
	}
	head, total := int(raw[0]&0xf)*4, int(binary.BigEndian.Uint16(raw[2:]))
	if head < 20 || total > len(raw) || total < head+8 {
		return d, false
	}
	d = datagram{src: netip.AddrFrom4([4]byte(raw[12:16])), dst: netip.AddrFrom4([4]byte(raw[16:20])),
		hops: raw[8], proto: protoUDP}
	return d.udp(raw[head:total])
}

// parse6 reads an IPv6 packet with UDP or ICMPv6 right behind its header.
func parse6(raw []byte) (d datagram, ok bool) {
	if len(raw) < 40 || raw[0]>>4 != 6 {
		return d, false
	}
	size := int(binary.BigEndian.Uint16(raw[4:]))
	if size > len(raw)-40 {
		return d, false
	}
	d = datagram{src: netip.AddrFrom16([16]byte(raw[8:24])), dst: netip.AddrFrom16([16]byte(raw[24:40])),
		hops: raw[7], proto: raw[6]}
	switch body := raw[40 : 40+size]; d.proto {
	case protoUDP:
		return d.udp(body)
	case protoICMPv6:
		d.payload = body
		return d, true
	}
	return d, false
}

func (d datagram) udp(body []byte) (datagram, bool) {
	if len(body) < 8 {
		return d, false
	}
	size := int(binary.BigEndian.Uint16(body[4:]))
	if size < 8 || size > len(body) {
		return d, false
	}
	d.srcPort, d.dstPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
	d.payload = body[8:size]
	return d, true
}

// bytes is the packet with its checksums (RFC 791, 768, 8200, 4443).
func (d datagram) bytes() []byte {
	body := d.payload
	if d.proto == protoUDP {
		body = make([]byte, 8, 8+len(d.payload))
		binary.BigEndian.PutUint16(body, d.srcPort)
		binary.BigEndian.PutUint16(body[2:], d.dstPort)
		binary.BigEndian.PutUint16(body[4:], uint16(8+len(d.payload)))
		body = append(body, d.payload...)
	}
	d.seal(body)
	if d.src.Is4() {
		return append(d.header4(len(body)), body...)
	}
	head := make([]byte, 40, 40+len(body))
	head[0], head[6], head[7] = 6<<4, d.proto, d.hops
	binary.BigEndian.PutUint16(head[4:], uint16(len(body)))
	copy(head[8:], d.src.AsSlice())
	copy(head[24:], d.dst.AsSlice())
	return append(head, body...)
}

func (d datagram) header4(size int) []byte {
	head := make([]byte, 20, 20+size)
	head[0], head[8], head[9] = 4<<4|5, d.hops, d.proto
	binary.BigEndian.PutUint16(head[2:], uint16(20+size))
	copy(head[12:], d.src.AsSlice())
	copy(head[16:], d.dst.AsSlice())
	binary.BigEndian.PutUint16(head[10:], ^fold(sum(0, head)))
	return head
}

// seal puts the checksum over body and the pseudo header where the protocol has it.
func (d datagram) seal(body []byte) {
	at := 6
	if d.proto == protoICMPv6 {
		at = 2
	}
	body[at], body[at+1] = 0, 0
	total := sum(sum(0, d.src.AsSlice()), d.dst.AsSlice()) + uint32(len(body)) + uint32(d.proto)
	check := ^fold(sum(total, body))
	if check == 0 && d.proto == protoUDP {
		check = 0xffff // none would mean "not computed"
	}
	binary.BigEndian.PutUint16(body[at:], check)
}

func sum(total uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		total += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		total += uint32(b[0]) << 8
	}
	return total
}

func fold(total uint32) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}
