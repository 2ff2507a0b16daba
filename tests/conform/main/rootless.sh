#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An ordinary user, without a daemon beforehand: setpriv makes one of user 20117, who has subordinate ids only if this
# machine gives some to that number.
. tests/conform/lib.sh
U=20117
H=$T/home
mkdir -p "$H/run" && chown -R $U:$U "$H" && chmod 700 "$H/run"
cp -a "$TRINE_BUILD/src/cmd" "$T/bin" 2>/dev/null
chmod -R a+rX "$T/bin"
unset TRINE_HOST
as_user() {
    setpriv --reuid $U --regid $U --clear-groups env -i PATH="$T/bin:/usr/bin:/bin:/usr/sbin" HOME="$H" XDG_RUNTIME_DIR="$H/run" USER=trine-test "$@"
}
user_trine() { as_user trine "$@"; }

check "doctor" 0 'rootless' user_trine doctor
check "the machine's daemon is not the user's" 13 '' as_user TRINE_HOST=unix:///run/trine/none.sock trine node
check "run starts the user's own daemon" 125 'started a daemon' user_trine run --rm busybox true
check "an image" 0 '' user_trine image build --busybox
check "it says so as rootless" 0 'Rootless +(true|yes)' user_trine node
check "run" 0 '^hello$' user_trine run --rm busybox echo hello
check "root inside" 0 'uid=0' user_trine run --rm busybox id
check "exit status" 9 '' user_trine run --rm busybox sh -c 'exit 9'
user_trine run -d --name web busybox sleep 1000 >"$OUT" 2>&1 || shown
pid=$(user_trine inspect web | json status.pid)
is "the user's outside" $U "$(stat -c %u "/proc/$pid" 2>/dev/null)"
check "exec" 0 '^in$' user_trine exec web echo in
check "nobody of the host can be reached" 1 '' user_trine exec web sh -c 'kill -0 2 2>/dev/null; cat /proc/1/root/etc/shadow.host'
daemon=$(user_trine node --format json | json pid)
kill -9 "$daemon"
sleep 0.5
check "another daemon" 0 '' user_trine daemon --background
check "after a kill -9 of the daemon the instance is found" 0 'web' user_trine ps
check "the same process" 0 '' kill -0 "$pid"
check "stop" 0 '' user_trine stop -t 1s web
check "rm" 0 '' user_trine rm web
is "its state is the user's" "" "$(find "$H/.local/share/trine" ! -uid $U -print 2>/dev/null | head -n 3)"
daemon=$(user_trine node --format json | json pid)
kill "$daemon"
becomes "the daemon ends" 10 gone "$daemon"
