#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Further programs in an instance, terminals, attaching.
. tests/conform/lib.sh
need_daemon
need_busybox
trine run -d --name box -e OWN=1 busybox sleep 1000 >/dev/null

check "exec" 0 '^inside$' trine exec box echo inside
check "its exit status" 4 '' trine exec box sh -c 'exit 4'
check "what is not there" 127 'nothing-here' trine exec box nothing-here
check "what cannot be run" 126 '' trine exec box /etc
check "in what is not there" 125 'nobody' trine exec nobody true
check "the instance's environment" 0 '^1$' trine exec box sh -c 'echo $OWN'
check "its own environment" 0 '^2$' trine exec -e MORE=2 box sh -c 'echo $MORE'
check "user" 0 'uid=5 ' trine exec -u 5 box id
check "working folder" 0 '^/etc$' trine exec -w /etc box pwd
is "input" "$(printf 'x\ny\n' | md5sum)" "$(printf 'x\ny\n' | trine exec -i box cat | md5sum)"
is "a megabyte back" 1000000 "$(trine exec box head -c 1000000 /dev/zero | wc -c)"
trine exec box sh -c 'echo o; echo e >&2' >"$T/o" 2>"$T/e"
is "streams apart" "o e" "$(cat "$T/o") $(cat "$T/e")"
is "same namespaces" "$(trine exec box readlink /proc/1/ns/pid)" "$(trine exec box readlink /proc/self/ns/pid)"
check "no more rights than the instance" 0 '^2$' trine exec box awk '/^Seccomp:/ {print $2}' /proc/self/status
(trine exec box sleep 33.3 >/dev/null 2>&1) &
in_group() { pid=$(pgrep -fx 'sleep 33.3') && grep -q "trine/$(field box id)" "/proc/$pid/cgroup"; }
becomes "in its control group" 5 in_group
pkill -fx 'sleep 33.3'
wait

# script gives the command a terminal of its own.
on_terminal() { timeout 20 script -qec "$1" /dev/null </dev/null | tr -d '\r'; }
check "a terminal" 0 '^/dev/pts/0$|^/dev/console$' on_terminal 'trine run --rm -t busybox tty'
check "exec on a terminal" 0 '^/dev/pts/[0-9]+$' on_terminal 'trine exec -it box tty'
check "its size" 0 '^33 111$' on_terminal 'stty rows 33 cols 111; trine exec -it box stty size'
check "typing reaches it" 0 '^got abc$' sh -c \
    '(sleep 1; printf "abc\n"; sleep 1) | timeout 20 script -qec "trine run --rm -it busybox sh -c \"read x; echo got \\\$x\"" /dev/null | tr -d "\r"'
check "without a terminal here, -t says so or goes on" 0 '' sh -c 'trine run --rm -t busybox true </dev/null || [ $? = 2 ] || [ $? = 125 ]'

trine run -d -i --name talker busybox sh -c 'while read x; do echo "heard $x"; done; sleep 1000' >/dev/null
printf 'one\n' | timeout -s KILL 3 trine attach talker >"$T/attached" 2>&1
check "attach" 0 '^heard one$' cat "$T/attached"
trine run -d -t --name shown busybox sh -c 'echo said before; sleep 1000' >/dev/null
sleep 0.3
check "attach to a terminal with what was said" 0 '^said before' sh -c 'timeout -s KILL 1 trine attach --no-stdin --replay shown 2>&1 | cat'
trine rm -f shown >/dev/null
check "attach to an ended one" 125 'talker' sh -c 'trine kill talker >/dev/null; sleep 0.5; trine attach talker'
trine rm -f talker >/dev/null 2>&1

(trine exec box sleep 1234.5 >/dev/null 2>&1) &
eventually 5 sh -c 'trine exec box pgrep -f "sleep 1234.5"'
trine rm -f box >/dev/null
wait
becomes "exec ends with its instance" 5 sh -c '! pgrep -fx "sleep 1234.5" >/dev/null'
