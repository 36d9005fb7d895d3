package network

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

const (
	// IDsPerContainer is the size of one container's user namespace: 16 bits of ids, what every
	// distribution expects to have.
	IDsPerContainer = 65536
	firstID         = 1_000_000
	// lastID is the highest host id given out. systemd keeps 0x70000000 upwards (1 879 048 192;
	// systemd.io/UIDS-GIDS), and ids above 2^31 break programs that hold them in an int.
	lastID = 0x70000000 - 1
)

// An idRange is count host ids from start on.
type idRange struct{ start, count uint64 }

func (r idRange) overlaps(o idRange) bool {
	return r.start < o.start+o.count && o.start < r.start+r.count
}

func (r idRange) covers(o idRange) bool {
	return r.start <= o.start && o.start+o.count <= r.start+r.count
}

// freeIDs returns the lowest span of count ids from 1 000 000 upwards, in steps of 65 536, that
// overlaps none of taken.
func freeIDs(count uint64, taken []idRange) (idRange, error) {
	slices.SortFunc(taken, func(a, b idRange) int { return cmp.Compare(a.start, b.start) })
	want := idRange{start: firstID, count: count}
	for _, t := range taken {
		if !want.overlaps(t) {
			continue
		}
		steps := (t.start + t.count - firstID + IDsPerContainer - 1) / IDsPerContainer
		want.start = firstID + steps*IDsPerContainer
	}
	if want.start+want.count-1 > lastID {
		return idRange{}, inventory.Errorf(inventory.ErrQuota,
			"no %d host ids in a row are free below %d; remove ranges nobody uses from /etc/subuid and /etc/subgid",
			count, uint64(lastID))
	}
	return want, nil
}

// subIDLine is one entry of subuid(5): owner:start:count.
type subIDLine struct {
	owner string
	idRange
}

// readSubIDs reads a file in the format of subuid(5); lines it can't read are left out, a missing
// file has none.
func readSubIDs(path string) ([]subIDLine, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []subIDLine
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		parts := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(parts) != 3 {
			continue
		}
		start, err1 := strconv.ParseUint(parts[1], 10, 32)
		count, err2 := strconv.ParseUint(parts[2], 10, 32)
		if err1 == nil && err2 == nil {
			out = append(out, subIDLine{parts[0], idRange{start, count}})
		}
	}
	return out, lines.Err()
}

// reserveSubIDs gives a span to root in a file of the format of subuid(5), if no entry of root
// covers it yet. Two programs need that: useradd(8), so that it hands the span to nobody, and
// liblxc, which maps through newuidmap(1) whenever that is installed, and newuidmap refuses ids
// root has no entry for. A file that doesn't exist is made: newuidmap reads it too.
func reserveSubIDs(path string, span idRange) error {
	entries, err := readSubIDs(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if (e.owner == "root" || e.owner == "0") && e.covers(span) {
			return nil
		}
	}
	return editSubIDs(path, func(text string) string {
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		return text + fmt.Sprintf("root:%d:%d\n", span.start, span.count)
	})
}

// freeSubIDs takes back what reserveSubIDs gave.
func freeSubIDs(path string, span idRange) error {
	line := fmt.Sprintf("root:%d:%d\n", span.start, span.count)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) || err == nil && !strings.Contains("\n"+string(text), "\n"+line) {
		return nil
	} else if err != nil {
		return err
	}
	return editSubIDs(path, func(text string) string {
		return strings.TrimPrefix(strings.Replace("\n"+text, "\n"+line, "\n", 1), "\n")
	})
}

// editSubIDs rewrites the file whole, by rename, so no reader ever sees half of it.
func editSubIDs(path string, edit func(string) string) error {
	unlock, err := lockAccounts(filepath.Join(filepath.Dir(path), ".pwd.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return writeFile(path, []byte(edit(string(text))), 0o644)
}

// lockAccounts takes the lock useradd and its relatives hold while they rewrite these files
// (lckpwdf(3): a POSIX write lock on /etc/.pwd.lock, waited for at most 15 seconds).
func lockAccounts(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	for range 150 {
		if err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err == nil {
			return func() { f.Close() }, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.Close()
	return nil, inventory.Errorf(inventory.ErrBusy, "%s is held by another program; try again when it is done", path)
}
