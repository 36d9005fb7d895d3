#!/bin/sh
# Builds one root file system in /tmp/rootfs. Runs as root of a user namespace, that is as nobody
# on the host, with /tmp as its own directory. Input in /tmp/in: sources (apt's one-line format),
# releases (URI SUITE per line), suite, packages, mask, apt.conf, finish.sh. Output in /tmp/out.
set -eu
umask 022
in=/tmp/in out=/tmp/out
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/nonexistent TMPDIR=/tmp/work
mkdir -p $TMPDIR $out/releases

# The state of the archive is the newest date its Release files carry. It becomes the time of
# everything that would otherwise have the time of the build. These copies are only asked for
# their date; apt fetches its own and checks the signatures.
echo "I: reading the archive's state" >&2
epoch=0 n=0
while read -r uri suite; do
	n=$((n + 1))
	APT_CONFIG=$in/apt.conf /usr/lib/apt/apt-helper download-file \
		"$uri/dists/$suite/InRelease" "$TMPDIR/release.$n" >/dev/null
	date=$(sed -n 's/^Date: *//p; /^SHA256:/q' "$TMPDIR/release.$n" | head -n 1)
	seconds=$(date -u -d "$date" +%s)
	[ "$seconds" -le "$epoch" ] || epoch=$seconds
done <$in/releases
SOURCE_DATE_EPOCH=$epoch
export SOURCE_DATE_EPOCH
echo "$epoch" >$out/epoch

{
	mmdebstrap --version
	dpkg --version | head -n 1
	apt-get --version | head -n 1
} >$out/tools

# --mode=root: mmdebstrap takes it as "root of what it sees", and this is a user namespace.
mmdebstrap --mode=root --variant=minbase --format=directory \
	--include="$(cat $in/packages)" --aptopt=$in/apt.conf \
	--customize-hook="$in/finish.sh \"\$1\"" \
	"$(cat $in/suite)" /tmp/rootfs $in/sources

# After mmdebstrap's own cleaning, which keeps the empty logs packages make.
root=/tmp/rootfs
find $root/var/log $root/tmp $root/var/tmp $root/run $root/var/cache/apt $root/var/cache/ldconfig \
	$root/var/cache/debconf $root/var/lib/apt/lists ! -type d -delete
find $root/run -mindepth 1 -delete
rm -f $root/etc/resolv.conf $root/etc/hostname
mv $root/dev $root/dev.build && mkdir -m 755 $root/dev && rm -rf $root/dev.build
