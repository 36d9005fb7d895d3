// Package btrfs keeps images, volumes and snapshots as subvolumes of a btrfs: making a container, a
// snapshot or a clone copies no data, whatever its size.
//
// # Where things are
//
//	ROOT/pools/NAME.img          the pool's file, allocated in full (unless Config.Dir is given)
//	ROOT/pools/NAME/             where it is mounted, mode 0700
//	    pool.json                says that this is a pool
//	    images/HEX64/            read-only
//	    containers/ID/
//	    snapshots/ID/NAME/       read-only
//	    images/.new-HEX64/       being made or removed, as is containers/.new-ID/
//
// The file is attached to a loop device with direct I/O that vanishes with its last user, and mounted
// with nodiscard, noatime and without user_subvol_rm_allowed. A file is the pool's when its btrfs has
// the label lodge-NAME; a folder is when pool.json says so, or when it was empty. Anything else is
// refused and left as it is.
//
// All work is done by ioctls (sys.go); the only program ever started is mkfs.btrfs, once.
//
// # Sizes
//
// The size of a volume bounds what is written to it, not what it was made from. Limits on exclusive
// data, which seem to say that, don't hold: what is exclusive to a volume shrinks when somebody
// clones it, so that it could be filled again, and grows when the clone or the image is deleted, so
// that a container would be full without having written a byte.
//
// Simple quotas (Linux 6.7) charge an extent to the subvolume that wrote it, for as long as anything
// holds it. Every volume has a group of level 1, found from its id, that carries the limit; the
// volume, its snapshots and what a restore leaves of older trees are members. So a size also bounds
// what only snapshots hold: deleting files gives room back when the snapshots that hold them go. And
// subvolumes somebody manages to make inside a volume join its group by themselves, so they escape
// nothing. Data shared with a clone stays charged to the volume that wrote it.
//
// Quota groups (older kernels, Debian 12 among them) count references. There the limit is on the
// volume's own group of level 0: what it referenced when it was made plus the size. A group of level
// 1 would need a count of everything at each create. Snapshots aren't counted, subvolumes inside a
// volume escape (the runtime's seccomp filter refuses to make them), and commits take longer while
// deleted trees are being freed. When the kernel lost count, sizes aren't enforced until a recount is
// done; Free warns meanwhile.
//
// Neither is about df inside the container, which shows the pool.
//
// A file system whose quotas were switched on stays with that kind, and one with simple quotas can't
// be mounted by a kernel older than 6.7.
//
// # Crashes
//
// Between any two steps the agent or the machine may stop. The column on the right is what the next
// Open makes of what it finds; the names are those of CrashPoints. One rule covers the pool's inside:
// what is called .new- is removed.
//
//	making the file
//	  allocate NAME.img.new        file.allocated    removed, made again
//	  mkfs, sync                   file.formatted    removed, made again
//	  rename to NAME.img, sync
//	opening
//	  attach a loop device         open.attached     the device went with the process (autoclear)
//	  mount                        open.mounted      found mounted; marker written if it is empty
//	volume from an image, volume or snapshot, simple quotas
//	  make and bound the group     volume.grouped    a group without volume: removed
//	  snapshot to ID [commits]     volume.built      done
//	the same, quota groups
//	  snapshot to .new-ID, bound   volume.built      removed: it never was
//	  rename to ID, commit                           done
//	empty volume
//	  make .new-ID, bound          empty.built       removed: it never was
//	  rename to ID, commit                           done
//	restore
//	  snapshot to .new-ID, bound   restore.built     removed: the volume is the old one
//	  exchange .new-ID and ID      restore.swapped   .new-ID is the old tree now: removed, done
//	  commit, remove .new-ID                         done
//	delete
//	  each snapshot                delete.snapshots  the volume is there, with fewer snapshots
//	  the volume                   delete.volume     done
//	image
//	  make .new-HEX                image.created     removed: it never was
//	  fill, read-only, write out   image.filled      removed: it never was
//	  rename to HEX                image.renamed     done (or never was, after a power failure)
//	  commit                                         done
//
// After a power failure a rename that no commit followed may be missing: then the state is that of
// the step before. Every method commits before it returns, deletions aside.
package btrfs
