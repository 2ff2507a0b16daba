#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kill -9 of daemon, agent and supervisor with instances running; a database from a newer version; what was left is found.
. tests/conform/lib.sh
need_daemon
need_busybox

trine run -d --name web -m 64M busybox sh -c 'i=0; while :; do i=$((i+1)); echo "tick $i"; sleep 0.2; done' >/dev/null
trine run -d --name brief busybox sh -c 'sleep 1.5; exit 42' >/dev/null
trine create --name waiting busybox true >/dev/null
pid=$(field web status.pid)
killed=$(daemon_pid)
agent=$(agent_pid)
kill -9 "$killed"
becomes "the agent ends with its daemon" 10 gone "$agent"
check "a client says that no daemon answers" 13 'daemon' trine ps
check "the instance runs on" 0 '' kill -0 "$pid"
sleep 2
need_daemon
is "another daemon" no "$([ "$(daemon_pid)" = "$killed" ] && echo yes || echo no)"
becomes "the instance is found" 5 state_is web running
is "the same process" "$pid" "$(field web status.pid)"
is "the one that ended meanwhile" 42 "$(field brief status.exit_code)"
is "the one that was never started" created "$(field waiting status.state)"
first=$(trine logs web | head -n 1)
is "the log has its beginning" "tick 1" "$first"
lines=$(trine logs web | wc -l)
grown() { [ "$(trine logs web | wc -l)" -gt "$lines" ]; }
becomes "the log goes on" 5 grown
is "no line is lost" "$(trine logs web | tail -n 1)" "tick $(trine logs web | wc -l)"
check "exec in the found one" 0 '^in$' trine exec web echo in
check "stats of the found one" 0 '^web ' trine stats --no-stream web
check "stop of the found one" 0 '' trine stop -t 1s web
check "and its start" 0 '' trine start web

pid=$(daemon_pid)
trine run -d --name during busybox sleep 1000 >/dev/null
kill "$pid"
becomes "a stopped daemon ends" 10 gone "$pid"
need_daemon
check "and leaves instances" 0 '"running"' trine inspect during

agent=$(agent_pid)
kill -9 "$agent"
sleep 1
if [ -z "$(daemon_pid)" ]; then need_daemon; fi
becomes "after the agent's end everything works again" 10 trine run --rm busybox true
check "with the instances" 0 '"running"' trine inspect during

shim=$(shim_pid during)
pid=$(field during status.pid)
kill -9 "$shim"
becomes "a killed supervisor takes its container along" 10 gone "$pid"
becomes "and the instance has ended" 10 has_ended during
check "the reason is told" 0 '"reason": *"[^"]' trine inspect during
check "it can be started again" 0 '' trine start during
check "and removed" 0 '' trine rm -f during

kill -9 "$(field web status.pid)"
becomes "a program killed from outside" 5 has_ended web
is "has status 137" 137 "$(field web status.exit_code)"

clear_instances
stop_daemon
python3 - "$T/state/control/trine.db" <<'EOF'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
version = db.execute("pragma user_version").fetchone()[0]
db.execute(f"pragma user_version = {version + 1000}")
db.commit()
EOF
before=$(sha256sum <"$T/state/control/trine.db")
check "a newer database is refused" 16 'newer|version' timeout -s KILL 20 trine daemon --state "$T/state" --run "$T/run"
is "and not touched" "$before" "$(sha256sum <"$T/state/control/trine.db")"
head -c 4096 /dev/urandom >"$T/state/control/trine.db"
check "a damaged one too" 7 'database|trine.db' timeout -s KILL 20 trine daemon --state "$T/state" --run "$T/run"
