#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The runtime is killed -9 at many moments of create: delete --force then leaves nothing.
# shellcheck disable=SC2154 source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
n=0
while [ $n -lt 40 ]; do
    rt create -b "$b" "$id" </dev/null >/dev/null 2>&1 & job=$!
    # Between 0 and 8 ms: before the state, between state and process, after both.
    sleep "0.00$((n / 5))"
    pkill -9 -P $job 2>/dev/null; kill -9 $job 2>/dev/null; wait $job 2>/dev/null
    rt delete --force "$id" >/dev/null 2>"$work/err" || not_ok "delete after a kill" "$(cat "$work/err")"
    [ -e "$state/$id" ] && not_ok "delete leaves no state after a kill" "round $n"
    n=$((n + 1))
done
ok "40 kills"
tries=0; while [ $tries -lt 50 ] && [ -n "$(pgrep -f "create -b $b")" ]; do sleep 0.02; tries=$((tries + 1)); done
check "after that it is created as ever" rt create -b "$b" "$id" </dev/null
check "and started" rt start "$id"
finish
