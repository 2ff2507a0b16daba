#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The life of an instance: create, start, stop, kill, pause, resume, restart, wait, rm; how it is listed and changed.
. tests/conform/lib.sh
need_daemon
need_busybox

check "create" 0 '^one$|^[0-9a-f]{32}$' trine create --name one -l tier=web busybox sleep 1000
is "it is created" created "$(field one status.state)"
check "start" 0 '' trine start one
is "it is running" running "$(field one status.state)"
pid=$(field one status.pid)
check "its process is there" 0 '' kill -0 "$pid"
check "start again says the state" 6 'running' trine start one
is "the same process" "$pid" "$(field one status.pid)"
check "the group of its limits" 0 "trine/$(field one id)" cat "/proc/$pid/cgroup"
check "top" 0 "$pid|sleep" trine top one

check "pause" 0 '' trine pause one
is "it is paused" paused "$(field one status.state)"
check "exec in a paused one" 125 'paused' trine exec one true
check "resume" 0 '' trine resume one
is "it runs again" running "$(field one status.state)"
check "restart" 0 '' trine restart -t 1s one
is "it is running after that" running "$(field one status.state)"
[ "$(field one status.pid)" != "$pid" ] && ok "another process" || not_ok "another process" "still $pid"
becomes "the old one is gone" 5 gone "$pid"

check "rm of a running one" 6 'one' trine rm one
check "kill by a signal" 0 '' trine kill -s KILL one
becomes "it ends" 5 has_ended one
is "status 137" 137 "$(field one status.exit_code)"
check "a signal that is none" 2 'NOSUCH' trine kill -s NOSUCH one
check "kill of an ended one" 6 'one' trine kill one
check "rm" 0 '' trine rm one
check "rm of what is not there" 4 'one' trine rm one
check "inspect of what is not there" 4 'one' trine inspect one

trine run -d --name graceful busybox sh -c 'trap "echo bye; exit 3" TERM; while :; do sleep 0.1; done' >/dev/null
sleep 0.3
check "stop asks first" 0 '' trine stop -t 5s graceful
is "its own exit status" 3 "$(field graceful status.exit_code)"
check "its last words are logged" 0 '^bye$' trine logs graceful
check "stop again is no error" 0 '' trine stop graceful
trine run -d --name stubborn busybox sh -c 'trap "" TERM; while :; do sleep 0.1; done' >/dev/null
begin=$(date +%s)
check "stop kills in the end" 0 '' trine stop -t 1s stubborn
at_most "and in time" 4 $(($(date +%s) - begin))
is "killed" 137 "$(field stubborn status.exit_code)"
trine run -d --name usr --stop-signal USR1 busybox sh -c 'trap "exit 9" USR1; while :; do sleep 0.1; done' >/dev/null
sleep 0.3
trine stop -t 5s usr >/dev/null 2>&1
is "its own stop signal" 9 "$(field usr status.exit_code)"

check "wait" 0 '^5$|exit.* 5|5$' sh -c 'trine run -d --name brief busybox sh -c "sleep 0.3; exit 5" >/dev/null && trine wait brief'
trine run -d --rm --name fleeting busybox sleep 0.3 >/dev/null
check "wait for the removal" 0 '' trine wait --condition removed fleeting
check "it is gone" 4 '' trine inspect fleeting
check "several at once" 0 '' trine rm graceful stubborn usr brief

trine create --name a1 -l tier=web -l zone=x busybox true >/dev/null
trine create --name a2 -l tier=db busybox true >/dev/null
trine run -d --name a3 -l tier=web busybox sleep 1000 >/dev/null
names() { trine ps --format json "$@" | python3 -c 'import json,sys; print(" ".join(sorted(i["name"] for i in json.load(sys.stdin))))'; }
is "ps shows what runs" a3 "$(names)"
is "ps -q gives ids" "$(field a3 id)" "$(trine ps -q)"
is "ps -a shows all" "a1 a2 a3" "$(names -a)"
is "filter by label" "a1 a3" "$(names -a --filter label=tier=web)"
is "filter by two" a1 "$(names -a --filter label=tier=web --filter state=created)"
check "a filter that is none" 2 'colour' trine ps --filter colour=red
check "table" 0 '^NAME ' trine ps -a
check "no header" 0 '' sh -c '! trine ps -a --no-header | grep -q NAME'
is "json" 3 "$(trine ps -a --format json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')"
check "yaml" 0 'name: a1' trine ps -a --format yaml
is "csv" 4 "$(trine ps -a --format csv | wc -l)"
check "an unknown format" 2 'xml' trine ps --format xml
id=$(field a1 id)
check "by its id" 0 '"a1"' trine inspect "$id"
check "by the beginning of its id" 0 'a[123]' trine inspect "$(echo "$id" | cut -c1-31)"
check "update of labels" 0 '' trine update -l zone=y -l extra=1 a1
is "changed" y "$(field a1 labels.zone)"
check "update of a running one's limit" 0 '' trine update -m 32M a3
is "it is in force" 33554432 "$(trine exec a3 sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max')"

check "stats" 0 '^a3 ' trine stats --no-stream a3
check "stats as json" 0 '"memory_bytes": *[1-9]' trine stats --no-stream --format json a3
timeout 5 trine stats --interval 200ms a3 >"$T/stats" 2>&1
at_most "stats go on" 100000 "$(wc -c <"$T/stats")"
[ "$(grep -c a3 "$T/stats")" -ge 3 ] && ok "several figures" || not_ok "several figures" "$(grep -c a3 "$T/stats")"
check "rm -f of a running one" 0 '' trine rm -f a3
check "rm of the others" 0 '' trine rm a1 a2
is "nothing is left" "" "$(trine ps -a -q)"
