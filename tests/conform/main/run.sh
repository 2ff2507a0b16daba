#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# trine run: exit statuses, streams, and everything that a flag can set.
. tests/conform/lib.sh
need_daemon
need_busybox

check "says hello" 0 '^hello$' trine run --rm busybox echo hello
check "exit status of the program" 7 '' trine run --rm busybox sh -c 'exit 7'
check "exit status 137 of a killed program" 137 '' trine run --rm busybox sh -c 'sh -c "kill -9 \$\$; true"; exit $?'
check "exit status 127 of a missing program" 127 'nothing-here' trine run --rm busybox nothing-here
check "exit status 126 of what cannot be run" 126 '' trine run --rm busybox /etc
check "exit status 125 of a missing image" 125 'missing-image' trine run --rm missing-image true
check "an unknown flag" 125 'frobnicate' trine run --frobnicate busybox true

trine run --rm busybox sh -c 'echo to-out; echo to-err >&2' >"$T/o" 2>"$T/e"
is "standard output" to-out "$(cat "$T/o")"
is "standard error" to-err "$(cat "$T/e")"
is "input reaches the program" "$(printf 'a\nb\n' | md5sum)" "$(printf 'a\nb\n' | trine run --rm -i busybox cat | md5sum)"
is "a megabyte passes whole" "$(head -c 1000000 /dev/zero | md5sum)" \
    "$(head -c 1000000 /dev/zero | trine run --rm -i busybox cat | md5sum)"
is "a megabyte of output" 1000000 "$(trine run --rm busybox head -c 1000000 /dev/zero | wc -c)"

check "env" 0 '^A=1 B=two words$' trine run --rm -e A=1 -e 'B=two words' busybox sh -c 'echo "A=$A B=$B"'
export FROM_HERE=inherited
check "env by name" 0 '^inherited$' trine run --rm -e FROM_HERE busybox sh -c 'echo "$FROM_HERE"'
printf 'X=file\n# remark\n' >"$T/env"
check "env file" 0 '^file$' trine run --rm --env-file "$T/env" busybox sh -c 'echo "$X"'
check "host name" 0 '^inside$' trine run --rm --hostname inside busybox hostname
check "working folder" 0 '^/tmp$' trine run --rm -w /tmp busybox pwd
check "user by number" 0 'uid=1000 gid=1000' trine run --rm -u 1000:1000 busybox id
check "process 1" 0 '^1$' trine run --rm busybox sh -c 'echo $$'
check "read-only root" 1 'Read-only' trine run --rm --read-only busybox touch /file
check "tmpfs" 0 'tmpfs' trine run --rm --read-only --tmpfs /scratch busybox sh -c 'touch /scratch/f && df -P /scratch'
check "no network but loopback" 0 '^lo$' trine run --rm busybox ls /sys/class/net
is "the host's network" "$(find /sys/class/net -mindepth 1 | wc -l)" \
    "$(trine run --rm --network host busybox ls /sys/class/net | wc -l)"
check "an unknown network" 125 'nowhere' trine run --rm --network nowhere busybox true
check "an entry point" 0 '^-- -x$' trine run --rm --entrypoint /bin/echo busybox -- -x
check "fewer capabilities than root" 0 '^[0-9a-f]+$' trine run --rm busybox sh -c "awk '/CapEff/ {print \$2}' /proc/self/status"
none=$(trine run --rm --cap-drop ALL busybox awk '/CapEff/ {print $2}' /proc/self/status)
is "no capabilities" 0000000000000000 "$none"
one=$(trine run --rm --cap-drop ALL --cap-add NET_ADMIN busybox awk '/CapEff/ {print $2}' /proc/self/status)
is "one capability" 0000000000001000 "$one"
check "seccomp filters" 0 '^2$' trine run --rm busybox awk '/^Seccomp:/ {print $2}' /proc/self/status
check "mounting is not for everybody" 1 '' trine run --rm busybox mount -t tmpfs none /mnt
check "but for the privileged" 0 '' trine run --rm --privileged busybox mount -t tmpfs none /tmp
check "the host's processes are not seen" 0 '' trine run --rm busybox sh -c '[ $(ls -d /proc/[0-9]* | wc -l) -lt 6 ]'
check "kernel settings are read-only" 1 '' trine run --rm busybox sh -c 'echo 1 > /proc/sys/kernel/panic'

check "memory limit" 0 '^67108864$' trine run --rm -m 64M busybox sh -c \
    'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'
check "too much memory is killed" 137 '' trine run --name greedy -m 16M --memory-swap 0 busybox sh -c 'x=$(head -c 100000000 /dev/zero | tr "\0" x); echo ${#x}'
is "and it is told" true "$(field greedy status.oom_killed)"
trine rm greedy >/dev/null 2>&1
check "process limit" 2 'fork|resource|unavailable' trine run --rm --pids-limit 8 busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & done'
check "cpu limit" 0 '^50000 100000$|^50000$' trine run --rm --cpus 0.5 busybox sh -c \
    'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max'

mkdir -p "$T/shared" && echo from-host >"$T/shared/file"
check "a folder of the host" 0 '^from-host$' trine run --rm -v "$T/shared:/data" busybox cat /data/file
check "read-only, it cannot be written" 1 'Read-only' trine run --rm -v "$T/shared:/data:ro" busybox touch /data/new
check "what it writes is there" 0 '' trine run --rm -v "$T/shared:/data" busybox sh -c 'echo back > /data/back'
is "on the host" back "$(cat "$T/shared/back" 2>/dev/null)"
check "a folder that is not there" 125 "$T/none" trine run --rm -v "$T/none:/data" busybox true
check "a destination that is not absolute" 125 'data' trine run --rm -v "$T/shared:data" busybox true
check "a destination with .. is refused" 125 'etc/trine-escape' trine run --rm -v "$T/shared:/tmp/../../../../../etc/trine-escape" busybox true
is "nothing appeared on the host" "" "$(ls -d /etc/trine-escape 2>/dev/null)"

check "levels that are not there yet" 125 'vm' trine run --rm --level vm busybox true
check "a wrong level" 125 'level' trine run --rm --level huge busybox true
check "a name" 0 '' trine run --name once busybox true
check "a second one of that name" 125 'once' trine run --name once busybox true
check "removed by its name" 0 '' trine rm once
becomes "--rm leaves nothing" 5 sh -c '[ -z "$(trine ps -a -q)" ]'
is "no folder of an instance is left" 0 "$(find "$T/state/instances" "$T/run/instances" -mindepth 1 -maxdepth 1 -name '[0-9a-f]*' 2>/dev/null | wc -l)"
