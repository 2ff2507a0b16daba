#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The list of devices where the unified hierarchy is all there is, as on most hosts: it has no files for that, a program
# decides (BPF_CGROUP_DEVICE). And where there are no control groups at all. Each host is a mount namespace of its own.
. "$(dirname "$0")/lib.sh"

grep -q cgroup2 /proc/filesystems || { skip all "no cgroup2"; finish; }
disk=$(cat /sys/dev/block/*/dev 2>/dev/null | head -n 1)
cat >"$work/only" <<'SH'
# only unified|none COMMAND...
kind=$1; shift
for at in $(awk '/ - cgroup /{print $5}' /proc/self/mountinfo) /sys/fs/cgroup/unified /sys/fs/cgroup; do umount -l "$at" 2>/dev/null; done
[ "$kind" = none ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 99
exec "$@"
SH
on() { kind=$1; shift; timeout 30 unshare -m --propagation private sh "$work/only" "$kind" "$runtime" --root "$state" "$@" 2>&1; }

try='mknod /tmp/disk b '$(echo "${disk:-7:0}" | tr : ' ')' && head -c 1 /tmp/disk >/dev/null && echo disk
mknod /tmp/log c 10 229 && (exec 3</tmp/log) && echo log
head -c 1 /dev/zero | wc -c; echo x >/dev/null && echo null; cat /dev/tty 2>&1 | grep -i permitted; echo end'
bundle "sh('''$try''')"
out=$(on unified run -b "$b" "$id" </dev/null)
has "unified: the usual devices work" "$out" "1
null
end"
hasnt "unified: a disk cannot be opened" "$out" "
disk"
case $out in disk*) not_ok "unified: a disk is open" "$out" ;; esac
hasnt "unified: nor another device" "$out" "log
1"

# Later rules win, for each right of its own; "a" is everything.
rules='c["linux"]["resources"]["devices"] += [{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}, {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "w"}]'
bundle "$rules" 'sh("mknod /tmp/log c 10 229; (exec 3</tmp/log) && echo reads; (exec 3>/tmp/log) 2>/dev/null || echo no writes; (exec 3<>/tmp/log) 2>/dev/null || echo not both")'
same "unified: rights one by one" "$(on unified run -b "$b" "$id" </dev/null)" "reads
no writes
not both"
bundle 'c["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]' 'sh("mknod /tmp/log c 10 229; (exec 3</tmp/log) && echo reads")'
same "unified: everything, where it is asked for" "$(on unified run -b "$b" "$id" </dev/null)" reads

# An update takes the place of the old list.
bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
on unified run -d -b "$b" "$id" </dev/null >/dev/null
same "unified: exec is guarded too" "$(on unified exec "$id" sh -c 'mknod /tmp/log c 10 229; (exec 3</tmp/log) 2>/dev/null || echo refused')" refused
echo '{"devices": [{"allow": true, "access": "rwm"}]}' | on unified update --resources - "$id"
same "unified: an update loosens" "$(on unified exec "$id" sh -c '(exec 3</tmp/log) && echo reads')" reads
on unified delete --force "$id"

# Nothing guards the devices: then there are none but those of /dev.
bundle "sh('''$try''')"
mknod "$b/rootfs/tmp/image" c 10 229
out=$(on none run -b "$b" "$id" </dev/null)
has "none: the usual devices work" "$out" "1
null
end"
hasnt "none: no disk" "$out" "
disk"
has "none: and the reason is told" "$out" "CAP_MKNOD"
bundle 'sh("(exec 3</tmp/image) 2>/dev/null || echo refused")'
mknod "$b/rootfs/tmp/image" c 10 229
has "none: a node of the image is not opened" "$(on none run -b "$b" "$id" </dev/null)" refused
bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
on none run -d -b "$b" "$id" </dev/null >/dev/null
has "none: nor made by exec" "$(on none exec "$id" sh -c 'mknod /root/log c 10 229 2>/dev/null || echo refused')" refused
on none delete --force "$id"
finish
