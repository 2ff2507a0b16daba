#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Images that lie or try to leave the store: each is refused with a word about what is wrong, and
# nothing of it stays, neither in the store nor outside.
# shellcheck source=tests/conform/image/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

canary=/tmp/escape
rm -rf "$canary"

# refused NAME PATTERN COMMAND…
refused() {
    local name=$1 pattern=$2 left
    shift 2
    if "$@" >"$work/out" 2>"$work/err"; then
        not_ok "$name" "it was taken"
        return
    fi
    left=$(contents "$store")
    if ! grep -Eq "$pattern" "$work/err"; then
        not_ok "$name" "said: $(tail -n 2 "$work/err" | tr '\n' ' ')"
    elif [ -e "$canary" ] || [ -e "$work/escape" ]; then
        not_ok "$name" "it left the store"
        rm -rf "$canary"
    elif [ -n "$left" ]; then
        not_ok "$name" "left behind: $left"
    else
        ok "$name"
    fi
}
import() { "$image" --store "$store" import --quiet "$@"; }
try() { # CASE PATTERN [flags]
    local case=$1 pattern=$2
    shift 2
    rm -rf "$work/in"
    python3 "$here/archives.py" "$case" "$work/in" || { not_ok "$case" "cannot make the archive"; return; }
    refused "$case" "$pattern" import --input "$work/in" "$@"
}

for case in $(python3 "$here/archives.py" --list hostile); do
    case $case in
    long-path) try "$case" "pax record 'path'" ;;
    sparse-bomb) try "$case" "unpacks to more than" ;;
    *) try "$case" "^trine: layer sha256:.*entry '" ;;
    esac
done
for case in $(python3 "$here/archives.py" --list bad); do try "$case" "^trine: (blob )?(layer )?sha256:"; done
try wrong-diff-id "unpacks to sha256"
try tar-checksum "checksum is wrong"
try other-platform "no image for linux"
try bomb "unpacks to more than" --max-bytes 100M
try bomb "times its size" --max-ratio 100
try entries "more than 1000 entries" --max-entries 1000

# Whole files that are cut, damaged, or something else.
rm -rf "$work/in" && python3 "$here/archives.py" plain "$work/in"
tar -C "$work/in" -cf "$work/good.tar" .
head -c 20000 "$work/good.tar" >"$work/cut.tar"
refused cut-tar "ends in the middle" import --input "$work/cut.tar"
head -c 10240 "$work/good.tar" >"$work/cut.tar"
refused cut-tar-header "ends in the middle|does not hold" import --input "$work/cut.tar"
tar -C "$work/in/blobs" -cf - sha256 | head -c 512 >"$work/cut.tar"
refused cut-tar-entries "ends in the middle" import --type rootfs --input "$work/cut.tar"
gzip -c "$work/good.tar" | head -c 9000 >"$work/cut.tar.gz"
refused cut-gzip "^trine: input: " import --input "$work/cut.tar.gz"
head -c 100000 /dev/urandom >"$work/noise"
refused noise "^trine: input: " import --input "$work/noise"
: >"$work/empty"
refused empty "it is empty" import --input "$work/empty"
refused absent "No such file" import --input "$work/absent"
head -c 10240 /dev/zero >"$work/zeros"
refused zeros "holds no files" import --input "$work/zeros"
mkdir "$work/folder"
refused folder "not an OCI layout" import --input "$work/folder"
tar -C "$work/in" -cf "$work/no-index.tar" oci-layout blobs
refused no-index "neither an OCI layout nor a docker archive" import --input "$work/no-index.tar"
refused bad-name "not a name" import --input "$work/good.tar" --name 'a b'
refused bad-flag "unknown flag" import --frobnicate
refused bad-size "max-bytes" import --max-bytes lots
refused bad-id "not an image's id" "$image" --store "$store" inspect ../../etc
refused no-such-id "no such image" "$image" --store "$store" inspect 0123456789abcdef

# A full disk.
mkdir -p "$work/small" && mount -t tmpfs -o size=1m trine-test "$work/small" && {
    python3 "$here/archives.py" random "$work/random"
    keep=$store
    store=$work/small/store
    refused full-disk "No space left" import --input "$work/random"
    store=$keep
    umount "$work/small"
}
finish
