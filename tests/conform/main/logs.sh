#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an instance wrote, and what happened: logs and events.
. tests/conform/lib.sh
need_daemon
need_busybox

trine run -d --name talk busybox sh -c 'for i in 1 2 3 4 5; do echo "line $i"; done; echo problem >&2; sleep 1; echo late; sleep 1000' >/dev/null
becomes "the first lines" 5 sh -c 'trine logs talk | grep -q "line 5"'
is "tail" "line 5" "$(trine logs --tail 2 talk 2>/dev/null | head -n 1)"
check "timestamps" 0 '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z line 1$' trine logs -t talk
is "standard error apart" problem "$(trine logs talk 2>&1 >/dev/null)"
(timeout 5 trine logs -f talk >"$T/followed" 2>/dev/null) &
becomes "follow sees what comes" 5 grep -q late "$T/followed"
wait
check "since a time" 0 'line 1' trine logs --since 1h talk
is "until a time" "" "$(trine logs --until 2020-01-01T00:00:00Z talk)"
check "a time that is none" 2 'yesterday-ish' trine logs --since yesterday-ish talk
check "logs of what is not there" 4 'nobody' trine logs nobody
(timeout 20 trine logs -f talk >/dev/null 2>&1; echo $? >"$T/follow-status") &
sleep 0.3
trine rm -f talk >/dev/null
wait
is "follow ends with the instance" 0 "$(cat "$T/follow-status")"

trine run --name binary busybox sh -c 'printf "a\\0b\\033[31m\\n"; printf "no newline"' >/dev/null
is "bytes are kept, and the last line ends" "$(printf 'a\0b\033[31m\nno newline\n' | md5sum)" "$(trine logs binary | md5sum)"
trine rm binary >/dev/null

trine run --name much --log-max-size 64k --log-files 3 busybox sh -c 'i=0; while [ $i -lt 20000 ]; do echo "row $i ........................"; i=$((i+1)); done' >/dev/null
folder=$T/state/instances/$(field much id)
at_most "log files are cut" $((64 * 1024 * 4)) "$(du -bc "$folder"/log* | tail -n 1 | cut -f1)"
at_most "and counted" 3 "$(find "$folder" -name 'log*' | wc -l)"
check "the end is there" 0 '^row 19999 ' trine logs --tail 1 much
trine rm much >/dev/null

check "events" 0 'instance.(created|started|exited|removed)' trine events
for type in instance.created instance.started instance.exited instance.removed image.imported; do
    check "event $type" 0 "$type" trine events --type "$type"
done
last=$(trine events --format json | python3 -c 'import json,sys; print(json.load(sys.stdin)[-1]["sequence"])')
(timeout 5 trine events -f --since "$last" >"$T/events" 2>&1) &
sleep 0.3
trine run --rm --name seen busybox true
becomes "follow sees a removal" 4 grep -q instance.removed "$T/events"
wait
is "and nothing from before" 0 "$(grep -c much "$T/events")"
timeout 2 curl -sN --unix-socket "$SOCKET" -H 'Accept: text/event-stream' "http://trine/v1/events?since=0&follow=true" >"$T/sse"
check "server-sent events" 0 '^event: instance.created$' cat "$T/sse"
check "with their number" 0 '^id: [0-9]+$' cat "$T/sse"
