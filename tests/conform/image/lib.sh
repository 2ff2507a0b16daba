# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Shared by the image suites. Each is called as `SUITE.sh TRINE_IMAGE`, needs root, works in a
# scratch folder of its own, and prints `ok NAME`, `not ok NAME: why` or `skip NAME: why`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
image=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/trine-conform-image.XXXXXX")
store=$work/store
failed=0
trap 'rm -rf "$work"' EXIT

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1: $2"; failed=1; }
skip() { echo "skip $1: $2"; }
finish() { exit "$failed"; }
have() { command -v "$1" >/dev/null 2>&1; }

if [ "$(id -u)" != 0 ]; then
    skip "$(basename "$0" .sh)" "needs root"
    exit 77
fi

# run NAME COMMAND…: ok when it ends with 0
run() {
    local name=$1
    shift
    if "$@" >"$work/out" 2>"$work/err"; then ok "$name"; else not_ok "$name" "$(tail -n 3 "$work/err" | tr '\n' ' ')"; fi
}
# json FILE EXPRESSION: prints it; `r` is the parsed document
json() { python3 -c 'import json,sys; r=json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"; }
image_id() { json "$1" 'r["images"][0]["id"]'; }
layer_dir() { echo "$1/layers/$(json "$2" "r['images'][0]['layers'][$3]['dir']")"; }
# What stands in a store besides its empty folders and lock.
contents() { (cd "$1" 2>/dev/null && find blobs layers images tmp ! -type d -o -mindepth 1 -path 'layers/*' -prune -o -mindepth 1 -path 'tmp/*' -prune | grep -v '^blobs/sha256$' | sort); }
