#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Root file system, mounts, devices, hidden paths, control groups, namespaces.
# shellcheck disable=SC2154 source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

bundle 'c["root"]["readonly"] = True' 'sh("touch /x; touch /tmp/x")'
has "a read-only root" "$(run)" "Read-only file system"
bundle 'sh("touch /x && echo fine")'
same "a writable root" "$(run)" fine
check "writes land in the bundle" test -e "$b/rootfs/x"
bundle 'sh("cat /proc/keys | wc -c; ls /sys/firmware | wc -l; cat /proc/timer_list | wc -c")'
same "masked paths" "$(run | tr '\n' ' ')" "0 0 0 "
bundle 'sh("echo 1 >/proc/sys/kernel/printk")'
has "read-only paths" "$(run)" "Read-only file system"
bundle 'sh("ls /dev | tr \"\\n\" \" \"; cat /dev/zero | head -c 3 | wc -c; echo x >/dev/null && echo null")'
same "default devices" "$(run | tr '\n' ' ')" "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 3 null "
bundle 'c["linux"]["devices"] = [{"type": "c", "path": "/dev/sub/mine", "major": 1, "minor": 5, "fileMode": 384, "uid": 3, "gid": 4}, {"type": "p", "path": "/dev/pipe"}]' \
    'sh("stat -c \"%F %a %u %g %t:%T\" /dev/sub/mine; stat -c %F /dev/pipe")'
same "devices of the configuration" "$(run | tr '\n' ' ')" "character special file 600 3 4 1:5 fifo "
bundle 'sh("mknod /dev/sda b 8 0 && cat /dev/sda")'
if has_controller devices; then has "the device list is enforced" "$(run)" "not permitted"; else skip "the device list is enforced" "no devices controller"; fi

bundle 'c["mounts"].append(mount("/a/b", "bind", "data", "bind", "ro", "nosuid"))' 'sh("cat /a/b/f; touch /a/b/g; grep /a/b /proc/self/mounts | cut -d \" \" -f 4 | cut -d , -f 1,2")'
mkdir "$b/data"; echo content >"$b/data/f"
out=$(run)
has "a bind mount" "$out" content
has "a read-only bind mount" "$out" "Read-only file system"
has "its options" "$out" "ro,nosuid"
bundle 'c["mounts"].append(mount("/etc/motd", "bind", "motd", "rbind"))' 'sh("cat /etc/motd")'
echo hi >"$b/motd"; same "a file is bound, its target made" "$(run)" hi
bundle 'c["mounts"].append(mount("/t", "tmpfs", "tmpfs", "size=100k", "mode=700", "noexec"))' 'sh("head -c 200000 /dev/zero >/t/x; stat -c %a /t; grep -c \" /t tmpfs .*noexec\" /proc/self/mounts")'
has "a tmpfs with options" "$(run | tr '\n' ' ')" "700 1"
bundle 'c["mounts"].append(mount("/etc", "tmpfs", "tmpfs", "tmpcopyup"))' 'sh("cat /etc/passwd | wc -l; touch /etc/new")'
same "tmpcopyup" "$(run)" 2
check "tmpcopyup leaves the image alone" test ! -e "$b/rootfs/etc/new"
bundle 'c["mounts"].append(mount("/t", "tmpfs", "tmpfs", "nonsense=1"))'
has "a wrong option is named" "$(run)" "nonsense"
bundle 'c["mounts"].append(mount("/t", "nosuchfs", "x"))'
has "an unknown type is named" "$(run)" "nosuchfs"
bundle 'c["mounts"].append(mount("/t", "bind", "/no/such", "bind"))'
has "a missing source is named" "$(run)" "/no/such"

bundle 'c["mounts"].insert(0, mount("/", "overlay", "overlay", "trine.base=" + sys.argv[1].rsplit("/", 1)[0] + "/layers", "lowerdir=top:base", "upperdir=" + sys.argv[1].rsplit("/", 1)[0] + "/up", "workdir=" + sys.argv[1].rsplit("/", 1)[0] + "/work"))' \
    'c["mounts"].append(mount("/etc/motd", "bind", "motd", "bind"))' 'sh("cat /etc/top /etc/motd; touch /written; grep -c \" / overlay\" /proc/self/mounts")'
mkdir -p "$b/layers/top/etc" "$b/up" "$b/work"; mv "$b/rootfs" "$b/layers/base"; echo layered >"$b/layers/top/etc/top"; echo motd >"$b/motd"
same "an overlay of relative layers is the root" "$(run | tr '\n' ' ')" "layered motd 1 "
check "what is written goes to the upper layer" test -e "$b/up/written"
mkdir -p "$work/many"; lower=
for n in $(seq 100 226); do d=layer-number-$n-aaaaaaaaa; mkdir "$work/many/$d"; lower=$lower$d:; done; cp -a "$work/rootfs" "$work/many/base"
bundle 'c["mounts"].insert(0, mount("/", "overlay", "overlay", "trine.base='"$work"'/many", "lowerdir='"$lower"'base"))' 'sh("echo fits")'
same "128 layers fit" "$(run)" fits

bundle 'c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "9000"}' 'sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax")'
same "sysctl" "$(run | tr '\n' ' ')" "1 9000 "
bundle 'c["linux"]["sysctl"] = {"kernel.panic": "1"}'
has "a sysctl of the host is refused" "$(run)" "belongs to no namespace"
bundle 'c["linux"]["rootfsPropagation"] = "rshared"' 'sh("grep -c \" / [a-z,]* shared:\" /proc/self/mountinfo")'
same "rootfs propagation" "$(run)" 1

bundle 'c["linux"]["resources"] = {"memory": {"limit": 33554432}, "pids": {"limit": 20}, "cpu": {"quota": 50000, "period": 100000, "shares": 512}}' \
    'c["linux"]["namespaces"].append({"type": "cgroup"})' 'c["mounts"].append(mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro"))' \
    'sh("cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max pids/pids.max pids.max cpu/cpu.cfs_quota_us 2>/dev/null; cat cpu.max 2>/dev/null | cut -d \" \" -f 1; grep pids /proc/self/cgroup; for i in $(seq 40); do sleep 1 & done; echo end")'
out=$(run)
if has_controller pids && has_controller memory && has_controller cpu; then
    has "limits arrive" "$(echo "$out" | tr '\n' ' ')" "33554432 20 50000"
    has "the pids limit bites" "$out" "fork"
else
    skip "limits arrive" "this host lacks controllers"
fi
if grep -q pids /proc/self/cgroup; then has "the cgroup namespace hides the path" "$out" ":pids:/"; else skip "the cgroup namespace hides the path" "no v1 pids"; fi
bundle 'c["linux"]["cgroupsPath"] = "/trine-conform-'$$'/x"' 'c["process"]["args"] = ["/bin/sleep", "100"]'
rt run -d -b "$b" "$id" </dev/null
check "cgroupsPath is where the processes are" grep -q "/trine-conform-$$/x" "/proc/$(rt state "$id" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')/cgroup"
check "exec joins the group" sh -c "'$runtime' --root '$state' exec '$id' cat /proc/self/cgroup | grep -q '/trine-conform-$$/x'"
printf '{"pids": {"limit": 77}}' >"$b/new.json"
check "update" rt update -r "$b/new.json" "$id"
if has_controller pids; then check "update arrives" sh -c "cat /sys/fs/cgroup/pids/trine-conform-$$/x/pids.max /sys/fs/cgroup/trine-conform-$$/x/pids.max 2>/dev/null | grep -q 77"; else skip "update arrives" "no pids controller"; fi
rt delete --force "$id"
find /sys/fs/cgroup -depth -type d -name "trine-conform-$$" -exec rmdir {} + 2>/dev/null

bundle 'c["linux"]["cgroupsPath"] = "trineconform.slice:pre:'$$'"' 'sh("cat /proc/self/cgroup")'
has "a cgroupsPath as for systemd" "$(run)" "/trineconform.slice/pre-$$.scope"
find /sys/fs/cgroup -depth -type d -name trineconform.slice -exec rmdir {} + 2>/dev/null

bundle 'user_namespace()' 'c["mounts"].append(mount("/tmp", "tmpfs", "tmpfs"))' 'sh("id -u; cat /proc/self/uid_map; touch /tmp/x && stat -c %u /tmp/x; echo x >/dev/null && echo dev")'
chown -R 100000:100000 "$b/rootfs"
same "a user namespace" "$(run | tr -s ' \n' ' ')" "0 0 100000 65536 0 dev "
bundle 'user_namespace()' 'c["mounts"].append(mount("/secret", "bind", "hidden/data", "bind"))' 'sh("cat /secret/f")'
chown -R 100000:100000 "$b/rootfs"; mkdir -p "$b/hidden/data"; echo seen >"$b/hidden/data/f"; chmod 700 "$b/hidden"
same "a bind source that its ids cannot reach" "$(run)" seen
bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
rt run -d -b "$b" "$id" </dev/null
other=$(rt state "$id" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'); first=$id
bundle 'c["linux"]["namespaces"] = [{"type": "mount"}] + [{"type": t, "path": "/proc/'"$other"'/ns/" + f} for t, f in (("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts"))]' \
    'del c["hostname"]' 'sh("readlink /proc/self/ns/net; readlink /proc/self/ns/pid; cat /proc/1/comm")'
same "namespaces by path" "$(run | tr '\n' ' ')" "$(readlink /proc/$other/ns/net /proc/$other/ns/pid | tr '\n' ' ')sleep "
rt delete --force "$first"
bundle 'c["linux"]["namespaces"].append({"type": "time"})' 'c["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000}}' 'sh("cut -d . -f 1 /proc/uptime")'
if [ -e /proc/self/ns/time ]; then check "a time namespace with offset" test "$(run)" -gt 1000000; else skip "a time namespace" "not in this kernel"; fi
bundle 'c["linux"]["namespaces"].append({"type": "pid"})'
has "a namespace twice is refused" "$(run)" "twice"

# "ro" is said of the mount, "rro" of all that is below it.
bundle 'c["mounts"].append(mount("/tree", "bind", "data", "rbind", "rprivate", "ro", "rro"))' 'sh("touch /tree/x /tree/sub/x 2>/dev/null; grep -c \" /tree\" /proc/self/mountinfo; ls /tree /tree/sub")'
mkdir -p "$b/data/sub"; mount -t tmpfs none "$b/data/sub"
same "a tree that is read-only all through" "$(run)" "2
/tree:
sub

/tree/sub:"
umount "$b/data/sub"
finish
