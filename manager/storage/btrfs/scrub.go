package btrfs

import (
	"context"
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// scrubProgress is btrfs_scrub_progress.
type scrubProgress struct {
	dataExtents, treeExtents, dataBytes, treeBytes     uint64
	readErrors, csumErrors, verifyErrors, noCsum       uint64
	csumDiscards, superErrors, mallocErrors            uint64
	uncorrectable, corrected, lastPhysical, unverified uint64
}

// scrubArgs is btrfs_ioctl_scrub_args.
type scrubArgs struct {
	device, start, end, flags uint64
	progress                  scrubProgress
	_                         [(1024 - 32 - 15*8) / 8]uint64
}

var _ [1024]byte = [unsafe.Sizeof(scrubArgs{})]byte{}

// scrubPoll is how often the progress of a scrub is read.
const scrubPoll = time.Second

// Scrub reads everything on every device and compares it with its checksums; what has a second copy
// is repaired. It returns how many errors could not be.
func (p *Pool) Scrub(ctx context.Context, progress func(percent int)) (int64, error) {
	info, err := fileSystem(p.root)
	if err != nil {
		return 0, p.fault().Fail(err, "scrub pool %s", p.config.Name)
	}
	var bad int64
	for id := uint64(1); id <= info.maxID; id++ {
		d, err := device(p.root, id)
		if err == unix.ENODEV {
			continue
		}
		if err == nil {
			var n int64
			n, err = p.scrubDevice(ctx, d, progress)
			bad += n
		}
		if err != nil {
			return bad, p.fault().Fail(err, "scrub pool %s", p.config.Name)
		}
	}
	return bad, nil
}

// scrubDevice waits for one device. A scrub somebody else has started there is ErrBusy.
func (p *Pool) scrubDevice(ctx context.Context, d deviceInfo, progress func(percent int)) (int64, error) {
	a := &scrubArgs{device: d.id, end: ^uint64(0)}
	done := make(chan error, 1)
	go func() { done <- scrubIoctl(p.root, 27, a) }()
	tick := time.NewTicker(scrubPoll)
	defer tick.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case err := <-done:
			if errors.Is(err, unix.EINPROGRESS) {
				err = unix.EBUSY
			}
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return int64(a.progress.uncorrectable + a.progress.readErrors + a.progress.superErrors), err
		case <-cancelled:
			cancelled = nil
			_ = ioctl(int(p.root.Fd()), request(dirNone, 28, 0), nil) // BTRFS_IOC_SCRUB_CANCEL
		case <-tick.C:
			now := &scrubArgs{device: d.id}
			if scrubIoctl(p.root, 29, now) == nil && d.used > 0 { // BTRFS_IOC_SCRUB_PROGRESS
				progress(int(min((now.progress.dataBytes+now.progress.treeBytes)*100/d.used, 99)))
			}
		}
	}
}

// scrubIoctl is BTRFS_IOC_SCRUB (27) and its like.
func scrubIoctl(fs *os.File, number uintptr, a *scrubArgs) error {
	return ioctl(int(fs.Fd()), request(dirRead|dirWrite, number, unsafe.Sizeof(*a)), unsafe.Pointer(a))
}
