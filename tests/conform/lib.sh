# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the scripts in tests/conform and tests/fault share: a daemon with places of its own, checks that tell "ok NAME",
# "not ok NAME: why" or "skip NAME: why". Sourced with the working folder at the top of the tree.
set -u

: "${TRINE_SOURCE:=$PWD}"
: "${TRINE_BUILD:=$TRINE_SOURCE/build/release}"
OWN_TMP=
if [ -z "${TRINE_TEST_TMP:-}" ]; then # run by hand
    TRINE_TEST_TMP=$(mktemp -d "${TMPDIR:-/tmp}/trine-test-XXXXXX")
    OWN_TMP=yes
    chmod 755 "$TRINE_TEST_TMP"
fi
T=$TRINE_TEST_TMP
PATH=$TRINE_BUILD/src/cmd:$PATH:/usr/sbin:/sbin
SOCKET=$T/run/api.sock
TRINE_HOST=unix://$SOCKET
export PATH TRINE_HOST
unset TRINE_PROJECT
OUT=$T/out # what the last command said, both streams

ok() { echo "ok $1"; }
not_ok() {
    echo "not ok $1: $2"
    BROKEN=1
}
skip() { echo "skip $1: $2"; }

# shown: the last output, where a failure can be read from.
shown() { sed 's/^/  | /' "$OUT" | tail -n 25; }

# run COMMAND…: both streams to $OUT, exit status to $STATUS.
run() {
    STATUS=0
    "$@" >"$OUT" 2>&1 </dev/null || STATUS=$?
}

# check NAME STATUS PATTERN COMMAND…: the exit status, and an extended expression that some line must match ("" for any).
check() {
    name=$1 want=$2 pattern=$3
    shift 3
    run "$@"
    if [ "$STATUS" != "$want" ]; then
        shown
        not_ok "$name" "exit status $STATUS, not $want"
    elif [ -n "$pattern" ] && ! grep -qE -- "$pattern" "$OUT"; then
        shown
        not_ok "$name" "no line matches $pattern"
    else
        ok "$name"
    fi
}

# is NAME EXPECTED ACTUAL
is() {
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "\"$3\", not \"$2\""; fi
}

# at_most NAME LIMIT NUMBER
at_most() {
    if [ -n "$3" ] && [ "$3" -le "$2" ]; then ok "$1 ($3)"; else not_ok "$1" "$3, more than $2"; fi
}

# eventually SECONDS COMMAND…: until it succeeds.
eventually() {
    tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}

# becomes NAME SECONDS COMMAND…: a check that waits.
becomes() {
    name=$1 seconds=$2
    shift 2
    if eventually "$seconds" "$@"; then ok "$name"; else not_ok "$name" "not within $seconds s: $*"; fi
}

# get PATH [CURL FLAG…]: the API by curl.
get() {
    path=$1
    shift
    curl -sS --max-time 30 --unix-socket "$SOCKET" "$@" "http://trine$path"
}

# json FIELD.FIELD…: one value of the JSON on standard input; items of lists by number.
json() {
    python3 -c '
import json, sys
try:
    value = json.load(sys.stdin)
    for key in sys.argv[1].split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
except (ValueError, KeyError, IndexError, TypeError):
    sys.exit(1)
print(json.dumps(value) if isinstance(value, (dict, list, bool)) or value is None else value)' "$1"
}

# field INSTANCE FIELD…
field() { trine inspect "$1" 2>/dev/null | json "$2"; }
state_is() { [ "$(field "$1" status.state)" = "$2" ]; }
has_ended() { case $(field "$1" status.state) in exited | failed) true ;; *) false ;; esac; }
gone() { ! kill -0 "$1" 2>/dev/null; }
is_absent() { ! trine inspect "$1" >/dev/null 2>&1; }

daemon_pid() { trine node --format json 2>/dev/null | json pid; }
agent_pid() { pgrep -P "$(daemon_pid)" -x trine-agent | head -n 1; }
shim_pid() { cut -d' ' -f1 "$T/run/instances/$(field "$1" id)/shim.pid"; }

start_daemon() {
    if ! trine daemon --background --state "$T/state" --run "$T/run" --log "$T/daemon.log" >"$OUT" 2>&1; then
        shown
        return 1
    fi
}

need_daemon() {
    if ! start_daemon; then
        tail -n 20 "$T/daemon.log" 2>/dev/null
        not_ok daemon "it does not start"
        exit 1
    fi
}

need_busybox() {
    run trine image build --busybox
    if [ "$STATUS" != 0 ]; then
        shown
        not_ok busybox "the image cannot be built"
        exit 1
    fi
}

stop_daemon() {
    pid=$(daemon_pid)
    [ -n "$pid" ] || return 0
    kill "$pid" 2>/dev/null
    eventually 10 gone "$pid"
}

clear_instances() {
    for one in $(trine ps -a -A --format json 2>/dev/null | python3 -c '
import json, sys
for i in json.load(sys.stdin): print(i["project"] + "/" + i["name"])' 2>/dev/null); do
        trine --project "${one%%/*}" resume "${one#*/}" >/dev/null 2>&1
        trine --project "${one%%/*}" rm -f "${one#*/}" >/dev/null 2>&1
    done
}

# finish: everything away again, at the end of each script. Ends with 1 when a check has failed.
finish() {
    status=$?
    trap - EXIT
    if [ -S "$SOCKET" ] && trine node >/dev/null 2>&1; then
        clear_instances
        stop_daemon
    fi
    if [ ${BROKEN:-0} != 0 ] && [ -f "$T/daemon.log" ]; then
        echo "  the daemon's log ends with:"
        tail -n 8 "$T/daemon.log" | sed 's/^/  | /'
    fi
    if grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$T/daemon.log" 2>/dev/null; then
        not_ok "sanitizer" "the daemon's log has a report"
    fi
    [ -z "$OWN_TMP" ] || rm -rf "$T"
    [ $status -ne 0 ] || status=${BROKEN:-0}
    exit "$status"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
