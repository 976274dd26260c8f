#!/bin/bash
# Boots a real systemd as process 1 of namespaces of its own, on a copy of this machine's root that
# is forgotten afterwards. Called by systemd_host.py, which says what is wanted through the environment:
#   HOST    a folder for the name of process 1 (`init`)      SHARE  is /srv/share inside, and stays
#   SETUP   a script that prepares the copy, given its root
set -eu

inside() {  # in all namespaces but with the old root: build the new one, go there, become systemd
    cd "$ROOT"
    mount -t proc -o nosuid,nodev,noexec proc proc
    mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
    [ ! -e proc/sysrq-trigger ] || mount --bind /dev/null proc/sysrq-trigger
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755,nosuid tmpfs dev
    for node in null zero full random urandom tty; do
        touch "dev/$node" && mount --bind "/dev/$node" "dev/$node"
    done
    mkdir dev/shm dev/pts
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s null dev/console
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
    ip link set lo up
    hostname melwatch-test
    pivot_root . mnt
    exec chroot . /bin/sh -c 'umount -l /mnt && mount --make-rshared / && exec "$@"' sh \
        setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-syslog,-mac_admin,-mac_override \
        env -i container=melwatch-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=C.UTF-8 /lib/systemd/systemd --system --unit=multi-user.target --show-status=no </dev/null >/dev/null 2>&1
}

if [ "${1-}" = inside ]; then
    inside
fi

work=$HOST/work
mkdir "$work"
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work"/{upper,scratch,root,cgroup}
export ROOT=$work/root
mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/scratch" overlay "$ROOT"

# Nothing that this machine runs of its own accord starts in the copy, nor what looks after hardware.
rm -rf "$ROOT"/etc/systemd/system/*.wants "$ROOT"/etc/systemd/system/*.requires "$ROOT"/var/log/journal/*
for unit in getty.target console-getty.service dev-hugepages.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
    proc-sys-fs-binfmt_misc.automount systemd-{udevd,udev-trigger,modules-load,sysctl,timesyncd,pstore}.service \
    systemd-{remount-fs,binfmt,update-utmp}.service systemd-tmpfiles-clean.timer; do
    ln -sf /dev/null "$ROOT/etc/systemd/system/$unit"
done
# Debian empties /tmp at boot, in which the environment under test may lie.
: >"$ROOT/etc/tmpfiles.d/tmp.conf"
: >"$ROOT/etc/fstab"
tr -d - </proc/sys/kernel/random/uuid >"$ROOT/etc/machine-id"
mkdir -p "$ROOT"/var/log/journal "$ROOT"/etc/systemd/journald.conf.d "$ROOT"/srv/share
printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nReadKMsg=no\n' \
    >"$ROOT/etc/systemd/journald.conf.d/test.conf"
mount --bind "$SHARE" "$ROOT/srv/share"
bash -eu "$SETUP" "$ROOT"

# A control group of its own, below which systemd does as it likes.
mount -t cgroup2 cgroup2 "$work/cgroup"
group=$work/cgroup/melwatch-test-$$
forget_group() {
    for _ in $(seq 50); do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
        [ -d "$group" ] || break
        sleep 0.1
    done
}
trap forget_group EXIT
mkdir "$group" "$group/payload" "$group/outside"
sh -c 'echo 0 >"$1/payload/cgroup.procs"; shift; exec "$@"' sh "$group" \
    unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child --propagation private "$0" inside &
starter=$!
for _ in $(seq 200); do
    init=$(cat "/proc/$starter/task/$starter/children" 2>/dev/null || true)
    init=${init%% *}
    if [ -n "$init" ] && [ "$(cat "/proc/$init/comm")" = systemd ]; then
        break
    fi
    kill -0 "$starter"
    sleep 0.05
done
echo "$starter" >"$group/outside/cgroup.procs"
echo "$init" >"$HOST/init.new" && mv "$HOST/init.new" "$HOST/init"
trap 'kill -9 "$init"' TERM
wait "$starter" || true
