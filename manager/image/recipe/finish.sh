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

# Units and generators that can't do their work here; see the recipe.
mkdir -p "$root"/etc/systemd/system-generators
for unit in $(cat /tmp/in/mask); do
	case $unit in
	*-generator) ln -sf /dev/null "$root/etc/systemd/system-generators/$unit" ;;
	*) ln -sf /dev/null "$root/etc/systemd/system/$unit" ;;
	esac
done
ln -sf /lib/systemd/system/multi-user.target "$root"/etc/systemd/system/default.target

# /etc and /var fit /usr: what runs after an update of /usr does not run at the first boot.
: >"$root"/etc/.updated
: >"$root"/var/.updated

# The distribution's own unit but for Before=systemd-tmpfiles-setup.service, which only matters
# where /var is mounted late: here it would keep everything else waiting.
cat >"$root"/etc/systemd/system/systemd-journal-flush.service <<'END'
[Unit]
Description=Flush Journal to Persistent Storage
Documentation=man:systemd-journald.service(8) man:journald.conf(5)
DefaultDependencies=no
Requires=systemd-journald.service
After=systemd-journald.service
RequiresMountsFor=/var/log/journal
[Service]
ExecStart=journalctl --flush
ExecStop=journalctl --smart-relinquish-var
Type=oneshot
RemainAfterExit=yes
TimeoutSec=90s
END

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

printf 'LANG=C.UTF-8\n' >"$root"/etc/default/locale
printf '# the root file system is mounted by the host\n' >"$root"/etc/fstab

# One source file in place of mmdebstrap's, which names each archive with the host's keyring.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
sed "s,\[[^]]*\],[signed-by=$keyring]," /tmp/in/sources >"$root"/etc/apt/sources.list
rm -f "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap

# Differ from build to build, and are made again when missing.
rm -f "$root"/var/cache/ldconfig/aux-cache "$root"/etc/*- "$root"/var/lib/dpkg/*-old \
	"$root"/var/cache/debconf/*-old "$root"/var/lib/systemd/catalog/database
