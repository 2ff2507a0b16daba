#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# budget: 300
# A thousand instances run and removed: no process, mount, control group, descriptor, folder or memory stays.
. tests/conform/lib.sh
need_daemon
need_busybox
CYCLES=${CYCLES:-1000}

figures() { # what could leak, each as "name number"
    daemon=$(daemon_pid) agent=$(agent_pid)
    echo "descriptors-daemon $(find "/proc/$daemon/fd" -mindepth 1 | wc -l)"
    echo "descriptors-agent $(find "/proc/$agent/fd" -mindepth 1 | wc -l)"
    echo "processes $(pgrep -cf "^trine-shim .*$T/run" || :)"
    echo "zombies $(ps -o stat= --ppid "$daemon,$agent" | grep -c Z || :)"
    echo "mounts $(grep -c "$T" /proc/self/mountinfo || :)"
    echo "folders $(find "$T/state/instances" "$T/run/instances" -mindepth 1 -maxdepth 1 -name '[0-9a-f]*' | wc -l)"
    echo "groups $(for id in $(cat "$T/ids" 2>/dev/null); do find /sys/fs/cgroup -maxdepth 3 -path "*/trine/$id"; done | wc -l)"
}
memory() { sed -n "s/^Rss: *\([0-9]*\) kB/\1/p" "/proc/$1/smaps_rollup"; }
cycle() { trine run --rm busybox true || echo "$1" >>"$T/failed"; }

i=0
while [ $i -lt 50 ]; do # until caches are warm
    cycle warm
    i=$((i + 1))
done
eventually 10 sh -c '[ -z "$(trine ps -a -q)" ]'
figures >"$T/before"
daemon=$(memory "$(daemon_pid)") agent=$(memory "$(agent_pid)")
while [ $i -lt "$CYCLES" ]; do
    if [ $((i % 10)) -eq 0 ]; then # some by hand
        id=$(trine run -d busybox sleep 1000) && echo "$id" >>"$T/ids"
        trine exec "$id" true || echo "exec $i" >>"$T/failed"
        trine rm -f "$id" >/dev/null || echo "rm $i" >>"$T/failed"
    else
        cycle $i
    fi
    i=$((i + 1))
done >/dev/null
is "all of $CYCLES cycles worked" 0 "$(wc -l 2>/dev/null <"$T/failed" || echo 0)"
becomes "no instance is left" 10 sh -c '[ -z "$(trine ps -a -q)" ]'
sleep 1
figures >"$T/after"
while read -r name before; do
    is "no $name leak" "$before" "$(sed -n "s/^$name //p" "$T/after")"
done <"$T/before"
at_most "daemon's memory grew by KiB" 2048 $(($(memory "$(daemon_pid)") - daemon))
at_most "agent's memory grew by KiB" 1024 $(($(memory "$(agent_pid)") - agent))
