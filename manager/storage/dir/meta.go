package dir

import (
	"encoding/json"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage/disk"
)

// A meta is what volume.json says of the volume or snapshot it lies beside.
type meta struct {
	// Bounded says that it is a file system in root.ext4, not a tree.
	Bounded bool `json:"bounded"`
	// Size is what it may hold beyond Base; 0 for no bound.
	Size inventory.Bytes `json:"size_bytes"`
	// Base is what of it was in use when it was made, which no size counts.
	Base inventory.Bytes `json:"base_bytes"`
}

const (
	metaName  = "volume.json"
	imageName = "root.ext4"
	rootName  = "root"
)

// readMeta reads what lies in a folder; fs.ErrNotExist when it isn't there. A volume without the file
// is a tree that nobody measured.
func readMeta(folder string) (meta, error) {
	var m meta
	if _, err := os.Lstat(folder); err != nil {
		return m, err
	}
	content, err := os.ReadFile(filepath.Join(folder, metaName))
	if disk.IsMissing(err) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &m)
	}
	return m, err
}

func writeMeta(folder string, m meta) error {
	content, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return disk.WriteDurable(filepath.Join(folder, metaName), content)
}

// publish gives what was built its name, durably. Nothing may have that name.
func publish(from, to string) error {
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(to))
}

// syncAll writes out everything on the file system a folder is on.
func syncAll(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// mkdirAs makes a folder with exactly that mode, whatever the umask.
func mkdirAs(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// unmountAll takes away everything that is mounted on exactly this folder, even while it is used: the
// file system lives on for those who have it open.
func unmountAll(folder string) {
	for unix.Unmount(folder, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
	}
}

// remove unmounts and removes the folder of a volume or snapshot. What is mounted is taken away
// first, or its files would go instead.
func remove(folder string) error {
	unmountAll(filepath.Join(folder, rootName))
	if source, err := disk.MountedAt(filepath.Join(folder, rootName)); err == nil && source != "" {
		return unix.EBUSY
	}
	return os.RemoveAll(folder)
}
