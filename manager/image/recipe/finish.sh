#!/bin/sh
# Makes a container's root file system of an installed one: the argument is its path. Runs at the
# end of mmdebstrap, outside the chroot, with the same few rights as build.sh.
set -eu
root=$1

# What the image was made from, before apt's lists are cleaned away.
for f in "$root"/var/lib/apt/lists/*_InRelease; do
	cp "$f" /tmp/out/releases/
done

# Identity and secrets are made per container, from the host.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id "$root"/var/lib/systemd/random-seed
: >"$root"/etc/machine-id

# Units that can't do their work here; see the recipe.
for unit in $(cat /tmp/in/mask); do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# The host made the interface and its address before init started. Whoever enables networkd later
# must not lose them.
mkdir -p "$root"/etc/systemd/network
cat >"$root"/etc/systemd/network/05-lodge.network <<'END'
# eth0 and its address come from the host.
[Match]
Name=eth0
[Network]
KeepConfiguration=yes
LinkLocalAddressing=no
IPv6AcceptRA=no
[Link]
Unmanaged=yes
END

# A console on /dev/console; LXC's other ttys are not used.
ln -sf /dev/null "$root"/etc/systemd/system/container-getty@.service
ln -sf /dev/null "$root"/etc/systemd/system/getty@.service
ln -sf /dev/null "$root"/etc/systemd/system/getty-static.service

printf 'LANG=C.UTF-8\n' >"$root"/etc/default/locale
printf '# the root file system is mounted by the host\n' >"$root"/etc/fstab

# One source file in place of mmdebstrap's, which names each archive with the host's keyring.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
sed "s,\[[^]]*\],[signed-by=$keyring]," /tmp/in/sources >"$root"/etc/apt/sources.list
rm -f "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap

# Differ from build to build, and are made again when missing.
rm -f "$root"/var/cache/ldconfig/aux-cache "$root"/etc/*- "$root"/var/lib/dpkg/*-old \
	"$root"/var/cache/debconf/*-old "$root"/var/lib/systemd/catalog/database
