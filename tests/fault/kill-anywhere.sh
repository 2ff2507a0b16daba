#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# budget: 300
# kill -9 of daemon, agent, supervisor or command line at a random moment of a run, a stop or a removal. After each the
# state must converge: every instance has a final state, can be removed, and nothing of it stays. Counts what it did.
. tests/conform/lib.sh
need_daemon
need_busybox
ROUNDS=${ROUNDS:-40}
SEED=${SEED:-$(date +%s)}
echo "  seed $SEED"

random() { # 0 to $1 - 1, from the seed and how often it was asked
    asked=$((${asked:-0} + 1))
    drawn=$(printf '%s %s' "$SEED" "$asked" | md5sum | cut -c1-7)
    drawn=$((0x$drawn % $1))
}
pause_ms() { sleep "0.$(printf '%03d' "$1")"; }

daemons=0 agents=0 shims=0 clients=0 stuck=0 unclean=0
round=0
while [ $round -lt "$ROUNDS" ]; do
    name=f$round
    daemon=$(daemon_pid) agent=$(agent_pid)
    random 3
    case $drawn in
        0) set -- trine run --name $name busybox sh -c 'sleep 0.05' ;;
        1)
            trine run -d --name $name busybox sleep 1000 >/dev/null 2>&1
            set -- trine stop -t 0s $name
            ;;
        2)
            trine run -d --name $name busybox sleep 1000 >/dev/null 2>&1
            set -- trine rm -f $name
            ;;
    esac
    "$@" >/dev/null 2>&1 </dev/null &
    client=$!
    random 60
    pause_ms $drawn
    random 4
    case $drawn in
        0) kill -9 "$daemon" 2>/dev/null && daemons=$((daemons + 1)) ;;
        1) [ -n "$agent" ] && kill -9 "$agent" 2>/dev/null && agents=$((agents + 1)) ;;
        2) # shellcheck disable=SC2046
            kill -9 $(pgrep -f "^trine-shim .*$T/run" | head -n 1) 2>/dev/null && shims=$((shims + 1)) ;;
        3) kill -9 $client 2>/dev/null && clients=$((clients + 1)) ;;
    esac
    wait $client 2>/dev/null
    eventually 5 trine node || start_daemon || { sleep 1; need_daemon; }
    settled() {
        case $(field $name status.state) in
            '' | created | exited | failed) true ;;
            running) [ "$1" = also-running ] ;;
            *) false ;;
        esac
    }
    if ! eventually 15 settled also-running; then
        stuck=$((stuck + 1))
        echo "  round $round: $* left $(field $name status.state)"
    fi
    id=$(field $name id 2>/dev/null)
    trine rm -f $name >/dev/null 2>&1
    if ! eventually 15 is_absent $name; then
        stuck=$((stuck + 1))
        echo "  round $round: $* cannot be removed: $(trine rm -f $name 2>&1 | head -n 1)"
    elif [ -n "$id" ] && { [ -e "$T/run/instances/$id" ] || [ -e "$T/state/instances/$id" ] ||
        [ -n "$(find /sys/fs/cgroup -maxdepth 3 -path "*/trine/$id" 2>/dev/null)" ]; }; then
        unclean=$((unclean + 1))
        echo "  round $round: $* left $(ls -d "$T/run/instances/$id" "$T/state/instances/$id" 2>/dev/null) $(find /sys/fs/cgroup -maxdepth 3 -path "*/trine/$id" 2>/dev/null)"
    fi
    round=$((round + 1))
done
echo "  killed: $daemons daemons, $agents agents, $shims supervisors, $clients clients"
is "every instance came to a final state and away" 0 $stuck
is "nothing stayed of one" 0 $unclean
becomes "no supervisor is left" 10 sh -c "! pgrep -f '^trine-shim .*$T/run' >/dev/null"
check "all works after that" 0 '^fine$' trine run --rm busybox echo fine
is "the database is whole" ok "$(stop_daemon; python3 -c 'import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute("pragma integrity_check").fetchone()[0])' "$T/state/control/trine.db")"
[ $((daemons + agents + shims + clients)) -ge $((ROUNDS / 2)) ] && ok "enough was killed" || not_ok "enough was killed" "only $((daemons + agents + shims + clients))"
