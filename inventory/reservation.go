package inventory

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// An AddressRange is every IPv4 address from From to To, both among them.
type AddressRange struct{ From, To netip.Addr }

// ParseAddressRange reads 10.86.0.7, 10.86.0.7-10.86.0.20 or 10.86.0.64/28. ErrInvalid for all else.
func ParseAddressRange(text string) (AddressRange, error) {
	bad := Errorf(ErrInvalid, "%q is no range of IPv4 addresses; write one as 10.86.0.7, 10.86.0.7-10.86.0.20 or 10.86.0.64/28", text)
	if prefix, err := netip.ParsePrefix(text); err == nil {
		if !prefix.Addr().Is4() {
			return AddressRange{}, bad
		}
		last := prefix.Masked().Addr().As4()
		for bit := prefix.Bits(); bit < 32; bit++ {
			last[bit/8] |= 1 << (7 - bit%8)
		}
		return AddressRange{prefix.Masked().Addr(), netip.AddrFrom4(last)}, nil
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	a, errFrom := netip.ParseAddr(from)
	b, errTo := netip.ParseAddr(to)
	if errFrom != nil || errTo != nil || !a.Is4() || !b.Is4() {
		return AddressRange{}, bad
	}
	if b.Less(a) {
		return AddressRange{}, Errorf(ErrInvalid, "%s comes after %s; write the lower address first", a, b)
	}
	return AddressRange{a, b}, nil
}

// Contains reports whether the address lies in the range.
func (r AddressRange) Contains(a netip.Addr) bool {
	return a.Is4() && !a.Less(r.From) && !r.To.Less(a)
}

// Overlaps reports whether the ranges share an address.
func (r AddressRange) Overlaps(o AddressRange) bool {
	return !r.To.Less(o.From) && !o.To.Less(r.From)
}

// String writes the range as ParseAddressRange reads it.
func (r AddressRange) String() string {
	if r.From == r.To {
		return r.From.String()
	}
	return fmt.Sprintf("%s-%s", r.From, r.To)
}

// A AddressReservation keeps addresses of a network from containers: from all, or from all but one.
type AddressReservation struct {
	Network string
	Range   AddressRange
	For     Ref // of the container that may have them; zero for none
	Note    string

	CreatedBy string
	CreatedAt time.Time
}

// Bars reports whether the reservation keeps an address from a container.
func (r AddressReservation) Bars(a netip.Addr, from Ref) bool {
	return r.Range.Contains(a) && (r.For == Ref{} || r.For != from)
}
