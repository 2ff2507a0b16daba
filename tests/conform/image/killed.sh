#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at any moment of an import: what stands in the store is whole, and the next run takes away
# what was left.
# shellcheck source=tests/conform/image/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-40}
python3 "$here/archives.py" random "$work/random"
start=$(date +%s%N)
"$image" --store "$work/once" import --quiet --input "$work/random" >/dev/null || not_ok import "it failed"
took_us=$((($(date +%s%N) - start) / 1000))

killed=0 bad=
for ((i = 0; i < rounds; i++)); do
    "$image" --store "$store" import --quiet --input "$work/random" >/dev/null 2>&1 &
    pid=$!
    python3 -c "import time; time.sleep($took_us * $i / $rounds / 1e6)"
    kill -9 $pid 2>/dev/null && killed=$((killed + 1))
    wait $pid 2>/dev/null
    "$image" --store "$store" verify --quiet >"$work/out" 2>"$work/err" || bad="round $i: $(cat "$work/out" "$work/err")"
    # Every second time the store starts anew, so that all of an import's moments are met.
    [ $((i % 2)) = 1 ] && rm -rf "$store"
done
[ -z "$bad" ] && ok "killed-$killed-times" || not_ok "killed" "$bad"

# Litter goes with the next writer, also what was shown without its record.
rm -rf "$store"
"$image" --store "$store" import --quiet --input "$work/random" >/dev/null
mkdir -p "$store/tmp/99-dead/0" && echo litter >"$store/tmp/99-dead/0/file"
orphan=$(printf 'orphan' | sha256sum | cut -d' ' -f1)
printf orphan >"$store/blobs/sha256/$orphan"
mkdir "$store/layers/0123456789abcdef01234567"
"$image" --store "$store" build-busybox --quiet >/dev/null
if [ -z "$(ls "$store/tmp")" ] && [ ! -e "$store/blobs/sha256/$orphan" ] && [ ! -e "$store/layers/0123456789abcdef01234567" ]; then
    ok litter-goes
else
    not_ok litter-goes "$(ls -R "$store")"
fi

# Asked to stop: says so, leaves nothing.
rm -rf "$store"
mkfifo "$work/pipe"
"$image" --store "$store" import --quiet --input - <"$work/pipe" >/dev/null 2>"$work/err" &
pid=$!
exec 9>"$work/pipe"
tar -C "$work/random" -cf - . | head -c 1000000 >&9
python3 - "$store" <<'PY'
import os, sys, time
for _ in range(500):
    if os.path.isdir(sys.argv[1] + "/tmp") and os.listdir(sys.argv[1] + "/tmp"): break
    time.sleep(0.01)
PY
kill -TERM $pid
wait $pid
code=$?
exec 9>&-
[ $code = 9 ] && grep -q "stopped on request" "$work/err" && ok cancelled || not_ok cancelled "code $code: $(cat "$work/err")"
[ -z "$(contents "$store")" ] && ok cancelled-clean || not_ok cancelled-clean "$(contents "$store")"

# Several at once, of the same images and others.
rm -rf "$store"
pids=
for i in 1 2 3 4; do
    "$image" --store "$store" import --quiet --input "$work/random" >/dev/null 2>>"$work/err4" & pids="$pids $!"
    "$image" --store "$store" build-busybox --quiet >/dev/null 2>>"$work/err4" & pids="$pids $!"
done
code=0
for pid in $pids; do wait "$pid" || code=1; done
[ $code = 0 ] && ok side-by-side || not_ok side-by-side "$(cat "$work/err4")"
"$image" --store "$store" verify --quiet >"$work/out" 2>&1 && [ -z "$(ls "$store/tmp")" ] &&
    ok side-by-side-verified || not_ok side-by-side-verified "$(cat "$work/out")"
finish
