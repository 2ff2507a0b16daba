#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The life of a container: create, start, state, exec, kill, delete, run; exit codes; concurrency.
# shellcheck disable=SC2154 source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

bundle 'sh("echo hello; exit 7")'
out=$(run); code=$?
same "run prints" "$out" "hello"
same "run gives the exit code" "$code" 7

bundle 'sh("kill -9 $$; exit 3")' 'c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "pid"]'
run >/dev/null; same "death by signal is 128 + its number" $? 137

bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
check "create" rt create --pid-file "$b/pid" -b "$b" "$id" </dev/null
has "state is created" "$(rt state "$id")" '"status": "created"'
has "state names the bundle" "$(rt state "$id")" "\"bundle\": \"$b\""
same "the pid file holds the pid" "$(cat "$b/pid")" "$(rt state "$id" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')"
rt create -b "$b" "$id" >/dev/null 2>&1 </dev/null; same "a second create of the id fails" $? 1
rt exec "$id" true >/dev/null 2>&1; same "exec in a created container works" $? 0
check "start" rt start "$id"
has "state is running" "$(rt state "$id")" '"status": "running"'
rt start "$id" >/dev/null 2>&1; same "a second start fails" $? 1
same "init is pid 1" "$(rt exec "$id" cat /proc/1/comm)" "sleep"
same "exec gives the exit code" "$(rt exec "$id" sh -c 'exit 9' || echo $?)" 9
same "exec takes --env and --cwd" "$(rt exec --env A=b --cwd /tmp "$id" sh -c 'echo $A $PWD')" "b /tmp"
same "exec takes --user by ids" "$(rt exec --user 5:6 "$id" sh -c 'id -u; id -g' | tr '\n' ' ')" "5 6 "
same "exec takes --user by name" "$(rt exec --user alice "$id" sh -c 'id -u; echo $HOME' | tr '\n' ' ')" "1000 /home/alice "
printf '{"args":["/bin/echo","from file"],"cwd":"/","env":["PATH=/bin"]}' >"$b/process.json"
same "exec takes --process" "$(rt exec --process "$b/process.json" "$id")" "from file"
rt exec "$id" nosuch >/dev/null 2>&1; same "exec of a missing program is 127" $? 127
rt exec "$id" /etc/passwd >/dev/null 2>&1; same "exec of a plain file is 126" $? 126
has "ps lists init" "$(rt ps "$id")" "sleep"
has "list lists it" "$(rt list)" "$id"
same "list -q" "$(rt list -q)" "$id"
check "list --format json is JSON" sh -c "'$runtime' --root '$state' list --format json | python3 -m json.tool"
check "pause" rt pause "$id"
has "state is paused" "$(rt state "$id")" '"status": "paused"'
rt exec "$id" true >/dev/null 2>&1; same "exec in a paused container fails" $? 1
check "resume" rt resume "$id"
check "events --stats is JSON" sh -c "'$runtime' --root '$state' events --stats '$id' | python3 -m json.tool"
rt delete "$id" >/dev/null 2>&1; same "delete of a running container fails" $? 1
check "kill" rt kill "$id" KILL
tries=0; while [ $tries -lt 100 ] && ! rt state "$id" | grep -q stopped; do sleep 0.02; tries=$((tries + 1)); done
has "state is stopped" "$(rt state "$id")" '"status": "stopped"'
rt kill "$id" KILL >/dev/null 2>&1; same "kill of a stopped container fails" $? 1
check "delete" rt delete "$id"
rt state "$id" >/dev/null 2>&1; same "after delete there is no state" $? 1
rt delete "$id" >/dev/null 2>&1; same "a second delete fails" $? 1
rt delete --force "$id" >/dev/null 2>&1; same "a second delete --force is fine" $? 0

bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
check "run --detach" rt run -d -b "$b" "$id" </dev/null
check "delete --force of a running one" rt delete --force "$id"

bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
check "create again" rt create -b "$b" "$id" </dev/null
check "delete of a created one" rt delete "$id"

bundle 'sh("trap \"echo got; exit 4\" TERM; echo up; while :; do sleep 0.05; done")'
rt run -b "$b" "$id" >"$b/out" 2>&1 </dev/null & job=$!
tries=0; while [ $tries -lt 200 ] && ! grep -q up "$b/out"; do sleep 0.02; tries=$((tries + 1)); done
rt kill "$id"
wait $job; same "kill sends TERM by default" "$? $(tail -1 "$b/out")" "4 got"

bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
for _ in 1 2 3 4; do rt create -b "$b" "$id" </dev/null >/dev/null 2>&1 && echo won >>"$b/wins" & done; wait
same "of four creates at once one wins" "$(wc -l <"$b/wins")" 1
rt start "$id"
for _ in 1 2 3 4 5 6; do rt exec "$id" true && echo ran >>"$b/execs" & done; wait
same "six execs at once" "$(wc -l <"$b/execs")" 6
for _ in 1 2 3; do rt delete --force "$id" >/dev/null 2>&1 & done; wait
rt state "$id" >/dev/null 2>&1; same "three deletes at once" $? 1

check "features is JSON" sh -c "'$runtime' features | python3 -m json.tool"
check "spec writes a configuration" sh -c "mkdir '$work/s' && '$runtime' spec -b '$work/s' && python3 -m json.tool '$work/s/config.json'"
rt checkpoint x >/dev/null 2>"$work/err"; has "checkpoint says that it is not supported" "$(cat "$work/err")" "not supported"
finish
