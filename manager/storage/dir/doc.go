// Package dir keeps images, volumes and snapshots as folders on any file system.
//
// # Where things are
//
//	BASE/                       Config.Dir, or ROOT/pools/NAME; mode 0700, root's
//	    pool.json               says that this is a pool
//	    containers/ID/          a volume: volume.json, and root/ with its files
//	        root.ext4           for a volume with a size: its file system, mounted on root/
//	    kept/images/HEX64/      an image
//	    kept/snapshots/ID/NAME/ a snapshot, made like a volume
//	    templates/HEX64.ext4    an image as a file system, made for the first volume with a size
//	    view/                   kept/, mounted read-only: what ImagePath and SnapshotPath show
//	    frozen/ID               the container was frozen by a copy that is not done yet
//	    .new-*                  in any of these: being made or removed
//
// # Sizes
//
// A volume without a size is a tree in a folder: nothing bounds it, and Usage walks it. A volume with
// one is a sparse ext4 in a file, on a loop device with direct I/O that vanishes with its mount. It is
// made so large that what is free in it, after what it was made from, is the size; df inside is true.
// The file takes room as it fills and gives it back as files are deleted (mount option discard). The
// file system it lies on can be promised more than it has: then writes fail with EIO inside before
// the size is reached, ext4 stops writing, and Ready repairs it once there is room again. Free warns.
//
// Growing works while the container runs. ext4 can't shrink while it is mounted, nor can a tree become
// a file system: for both the container has to be stopped.
//
// # Copies
//
// Everything is copied, with shared extents (FICLONE) where the file system has them: Linux's btrfs,
// xfs. Snapshots and clones of a tree whose container runs freeze it for as long as the copy takes; of
// a file system, they hold up its writers (FIFREEZE). SnapshotPause estimates it. Both end with the
// agent's next Open, whatever happened: file systems are thawed there, containers by ThawLeft.
//
// # Crashes
//
// One rule: what is called .new- is unmounted and removed by the next Open. A rename that the folder's
// fsync didn't follow may be missing after a power failure: then the state is that of the step before.
//
//	template
//	  fill .new-HEX.ext4               template.built    removed, made again when it is needed
//	  rename to HEX.ext4, fsync
//	volume from an image, volume, snapshot, or elsewhere
//	  build containers/.new-ID, sync   volume.built      removed: it never was
//	  rename to ID, fsync                                done
//	snapshot
//	  freeze, build .new-NAME, thaw    snapshot.built    removed: it never was
//	  rename to NAME, fsync, mount                       done
//	restore, resize that copies
//	  build containers/.new-ID, sync   restore.built     removed: the volume is the old one
//	  exchange .new-ID and ID, fsync   restore.swapped   .new-ID is the old tree now: removed, done
//	delete
//	  each snapshot to .new-NAME       delete.snapshots  the volume is there, with fewer snapshots
//	  the volume to .new-ID            delete.volume     removed: done
//	image
//	  make .new-HEX                    image.created     removed: it never was
//	  fill, sync                       image.filled      removed: it never was
//	  rename to HEX                    image.renamed     done (or never was, after a power failure)
//	  fsync                                              done
package dir
