package liblxc

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// writeJSON puts v into a file at once: a reader sees the old content or the new. When durable, it
// is on the disk when writeJSON returns.
func writeJSON(path string, v any, durable bool) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if durable && err == nil {
		err = f.Sync()
	}
	f.Close()
	if err == nil {
		err = os.Rename(temp, path)
	}
	if durable && err == nil {
		err = syncDirectory(path)
	}
	return err
}

func syncDirectory(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// startTime is field 22 of /proc/self/stat: with the pid it names this process for ever.
func startTime() uint64 {
	raw, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}
