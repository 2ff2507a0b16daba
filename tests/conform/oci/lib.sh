# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What the scripts here share: one bundle of busybox per case, results as "ok", "not ok" and "skip" lines.
# Run as root. TRINE_OCI names the runtime, or another runtime of the same command line to compare with.
set -u
here=$(cd "$(dirname "$0")" && pwd)
runtime=${TRINE_OCI:-trine-oci}
work=$(mktemp -d "${TMPDIR:-/tmp}/trine-oci-test.XXXXXX")
state=$work/state
failed=0
names=
count=0

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1: $2"; failed=1; }
skip() { echo "skip $1: $2"; }
# check NAME CONDITION-COMMAND...: the command decides
check() { name=$1; shift; if "$@" >"$work/check.out" 2>&1; then ok "$name"; else not_ok "$name" "$* gave: $(tail -c 300 "$work/check.out" | tr '\n' ' ')"; fi; }
same() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected '$3', got '$(printf %s "$2" | tail -c 300)'"; fi; }
has() { case $2 in *"$3"*) ok "$1" ;; *) not_ok "$1" "no '$3' in '$(printf %s "$2" | tail -c 400)'" ;; esac; }
hasnt() { case $2 in *"$3"*) not_ok "$1" "'$3' in '$(printf %s "$2" | tail -c 400)'" ;; *) ok "$1" ;; esac; }

rt() { timeout 30 "$runtime" --root "$state" "$@"; }

# bundle [jq-like python statements on c]: a fresh bundle in $b, with an id in $id
bundle() {
    count=$((count + 1))
    id=case-$$-$count
    names="$names $id"
    b=$work/$id
    mkdir -p "$b"
    cp -a "$work/rootfs" "$b/rootfs"
    python3 "$here/config.py" "$b/config.json" "$@"
}
# What it printed, without the warning of hosts that have no device controller; its exit code.
run() {
    rt run -b "$b" "$id" </dev/null >"$work/run.out" 2>&1; run_code=$?
    sed '/linux.resources.devices is not applied/d' "$work/run.out"
    return $run_code
}
# Is the controller to be had, in either version?
has_controller() { grep -q "^cgroup .*[, ]$1[, ]" /proc/self/mounts || grep -qw "$1" /sys/fs/cgroup/cgroup.controllers 2>/dev/null; }

setup() {
    [ "$(id -u)" = 0 ] || { echo "skip all: needs root"; exit 0; }
    command -v "$runtime" >/dev/null || { echo "not ok all: no runtime $runtime (set TRINE_OCI)"; exit 1; }
    busybox=$(command -v busybox) || { echo "skip all: needs busybox-static"; exit 0; }
    mkdir -p "$work/rootfs/bin" "$work/rootfs/etc" "$work/rootfs/proc" "$work/rootfs/sys" "$work/rootfs/dev" "$work/rootfs/tmp"
    cp "$busybox" "$work/rootfs/bin/busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -sf busybox "$work/rootfs/bin/$applet"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\n' >"$work/rootfs/etc/passwd"
    printf 'root:x:0:\nalice:x:1000:\nwheel:x:10:alice\nstaff:x:50:bob,alice\n' >"$work/rootfs/etc/group"
}

groups_left() { find /sys/fs/cgroup -maxdepth 4 -type d -name "case-$$-*" 2>/dev/null; }
# Nothing may be left of any case: state, groups, processes.
finish() {
    for one in $names; do rt delete --force "$one" >/dev/null 2>&1; done
    same "no state is left" "$(find "$state" -mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null)" ""
    same "no control group is left" "$(groups_left)" ""
    same "no process is left" "$(pgrep -f "$work" | grep -v "^$$\$" | tr '\n' ' ')" ""
    same "no mount is left" "$(grep -c "$work" /proc/self/mountinfo)" 0
    cd /
    rm -rf "$work"
    exit $failed
}
trap 'for one in $names; do rt delete --force "$one" >/dev/null 2>&1; done; rm -rf "$work"' INT TERM
setup
