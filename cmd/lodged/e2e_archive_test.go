package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lodge/packaging/need"
)

// fakeMmdebstrap stands in for the true one where only the agent is under test: it makes a small
// system in no time, of the same files each run.
const fakeMmdebstrap = `#!/bin/sh
[ "$1" = --version ] && { echo "mmdebstrap 0"; exit; }
set -eu
root=/tmp/rootfs
mkdir -p $root/bin $root/sbin $root/etc $root/dev $root/run $root/tmp $root/proc $root/sys $root/root \
	$root/var/log $root/var/tmp $root/var/cache/apt $root/var/cache/ldconfig $root/var/cache/debconf $root/var/lib/apt/lists
cp /bin/busybox $root/bin/busybox
ln -s ../bin/busybox $root/sbin/init
ln -s busybox $root/bin/sh
echo "root:x:0:0:root:/root:/bin/sh" >$root/etc/passwd
printf 'ID=debian\nVERSION_ID=12\n' >$root/etc/os-release
find $root -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
n=0
while read -r uri suite; do
	n=$((n + 1))
	cp $TMPDIR/release.$n /tmp/out/releases/$(echo "${uri#*://}_dists_${suite}_InRelease" | tr / _)
done </tmp/in/releases
`

// installFake puts it over the true one, in the tests' own mount namespace.
var installFake = sync.OnceValue(func() error {
	path := filepath.Join(base, "mmdebstrap")
	if err := os.WriteFile(path, []byte(fakeMmdebstrap), 0o755); err != nil {
		return err
	}
	return syscall.Mount(path, "/usr/bin/mmdebstrap", "", syscall.MS_BIND, "")
})

// fakeArchive serves the dates of an archive and returns its address, as BuildArgs.Mirror.
func fakeArchive(t testing.TB) string {
	t.Helper()
	err := installFake()
	need.That(t, err == nil, fmt.Sprintf("mmdebstrap to stand in for (%v)", err))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/InRelease") {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte("Origin: test\nDate: Sat, 01 Nov 2025 10:00:00 UTC\nSHA256:\n"))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/debian " + s.URL + "/security"
}
