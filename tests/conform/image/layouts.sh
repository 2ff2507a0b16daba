#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What other tools write is read, what is written other tools read, and what a layer holds arrives.
# shellcheck source=tests/conform/image/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

import() { "$image" --store "$store" import --quiet "$@"; }

# busybox: the same program gives the same digests, in two stores.
"$image" --store "$work/a" build-busybox --quiet >"$work/a.json" 2>"$work/err" || not_ok busybox "$(cat "$work/err")"
"$image" --store "$work/b" build-busybox --quiet >"$work/b.json"
if cmp -s "$work/a.json" "$work/b.json"; then ok busybox-repeatable; else not_ok busybox-repeatable "digests differ"; fi
id=$(image_id "$work/a.json")
run busybox-starts chroot "$(layer_dir "$work/a" "$work/a.json" 0)" /bin/sh -c 'test "$(id -u)" = 0 && test -e /etc/passwd'

# What a layer may hold, and whiteouts in overlayfs form, seen through overlayfs.
python3 "$here/archives.py" features "$work/features"
if import --input "$work/features" >"$work/f.json" 2>"$work/err"; then
    ok features
    lower=$(layer_dir "$store" "$work/f.json" 0)
    upper=$(layer_dir "$store" "$work/f.json" 1)
    check() { if eval "$2"; then ok "features-$1"; else not_ok "features-$1" "$2"; fi; }
    check set-id '[ "$(stat -c %a:%u:%g "$lower/setuid")" = 4755:1000:1001 ]'
    check hard-link '[ "$lower/setuid" -ef "$lower/again" ]'
    check device '[ "$(stat -c %t:%T "$lower/dev/null")" = 1:3 ]'
    check fifo '[ -p "$lower/pipe" ]'
    check time '[ "$(stat -c %Y "$lower/etc")" = 1000000001 ]'
    check last-wins '[ "$(cat "$lower/twice")" = second ]'
    check decomposed '[ -e "$lower/$(printf "u\xcc\x88ber")" ]'
    check long-name '[ "$(cat "$lower"/d/x*/y*)" = long ]'
    check sparse '[ "$(stat -c %s "$lower/holes")" = 1000000 ] && [ "$(stat -c %b "$lower/holes")" -lt 100 ]'
    check sparse-content '[ "$(tail -c 1 "$lower/holes")" = B ]'
    if have getfattr; then
        check xattr 'getfattr -n user.color --only-values "$lower/tagged" 2>/dev/null | grep -q blue'
        check overlay-xattr '! getfattr -d -m - "$lower/tagged" 2>/dev/null | grep -q overlay'
    else
        check xattr 'python3 -c "import os,sys; sys.exit(os.getxattr(sys.argv[1],\"user.color\")!=b\"blue\")" "$lower/tagged"'
        check overlay-xattr 'python3 -c "import os,sys; sys.exit(any(\"overlay\" in x for x in os.listxattr(sys.argv[1])))" "$lower/tagged"'
    fi
    check capability 'python3 -c "import os,sys; os.getxattr(sys.argv[1],\"security.capability\")" "$lower/capable"'
    check whiteout '[ -c "$upper/etc/gone" ] && [ "$(stat -c %t:%T "$upper/etc/gone")" = 0:0 ]'
    check no-whiteout-for-nothing '[ ! -e "$upper/never-was" ]'
    check implied-parent '[ "$(stat -c %a:%u:%g "$upper/etc")" = 750:7:8 ]'
    check link-of-lower-layer '[ "$(cat "$upper/usr/lib/through")" = through ] && [ ! -e "$upper/lib" ]'
    check link-stays-inside '[ "$(cat "$upper/etc/mine")" = mine ] && [ ! -e /etc/mine ]'
    mkdir "$work/merged"
    if mount -t overlay trine-test -o "lowerdir=$upper:$lower" "$work/merged" 2>"$work/err"; then
        check merged-gone '[ ! -e "$work/merged/etc/gone" ] && [ -e "$work/merged/etc/keep" ] && [ -e "$work/merged/etc/new" ]'
        check merged-replaced '[ "$(ls "$work/merged/hidden")" = b ]'
        check merged-opaque '[ "$(ls "$work/merged/emptied")" = c ]'
        check merged-through '[ "$(cat "$work/merged/lib/through")" = through ]'
        umount "$work/merged"
    else
        skip merged "overlayfs cannot be mounted: $(cat "$work/err")"
    fi
else
    not_ok features "$(tail -n 2 "$work/err")"
fi

# In a user namespace: marks of its own kind, devices left out with a word.
if unshare -Ur true 2>/dev/null; then
    run userns unshare -Ur "$image" --store "$work/ns" import --quiet --input "$work/features"
    upper=$(layer_dir "$work/ns" "$work/out" 1)
    python3 -c 'import os,sys; sys.exit(os.getxattr(sys.argv[1], "user.overlay.opaque") != b"y")' "$upper/emptied" &&
        ok userns-opaque || not_ok userns-opaque "no mark on $upper/emptied"
    grep -q "device files were left out" "$work/err" && ok userns-devices || not_ok userns-devices "$(cat "$work/err")"
else
    skip userns "no user namespaces"
fi

# One image, every shape of input, the same id; nothing is stored twice.
python3 "$here/archives.py" plain "$work/plain"
import --input "$work/plain" >"$work/p.json"
id=$(image_id "$work/p.json")
blobs=$(ls "$store/blobs/sha256" | wc -l)
same() { # NAME, json on stdin
    cat >"$work/s.json"
    if [ "$(image_id "$work/s.json" 2>/dev/null)" = "$id" ]; then ok "$1"; else not_ok "$1" "another id"; fi
}
tar -C "$work/plain" -cf "$work/plain.tar" .
import --input "$work/plain.tar" | same tar
import --input - <"$work/plain.tar" | same redirected
cat "$work/plain.tar" | import | same pipe
xz -c "$work/plain.tar" | import | same xz
zstd -qc "$work/plain.tar" | import | same zstd
"$image" pack "$work/plain" 2>/dev/null | import | same pack
if [ "$(ls "$store/blobs/sha256" | wc -l)" = "$blobs" ]; then ok deduplicated; else not_ok deduplicated "more blobs than before"; fi
for case in members none many-layers two-images platforms; do
    python3 "$here/archives.py" "$case" "$work/$case"
    run "take-$case" import --input "$work/$case"
    cp "$work/out" "$work/$case.json"
done
[ "$(json "$work/two-images.json" 'len(r["images"])')" = 2 ] && ok two-images || not_ok two-images "not both"
[ -e "$(layer_dir "$store" "$work/platforms.json" 0)/mine" ] && ok this-platform || not_ok this-platform "took another"

"$image" --store "$store" import --quiet --input "$work/plain" --name a:1 --name b:2 >"$work/n.json"
[ "$(json "$work/n.json" '" ".join(r["images"][0]["names"])')" = "plain a:1 b:2" ] && ok names || not_ok names "$(cat "$work/n.json")"
[ "$(stat -c %a "$store")" = 700 ] && ok store-is-closed || not_ok store-is-closed "others may enter it"

# Out and in again, through both formats.
for format in oci docker; do
    run "export-$format" "$image" --store "$store" export --quiet --id "$id" --format $format --name example/plain:1 --output "$work/x-$format.tar"
    "$image" --store "$work/again-$format" import --quiet --input "$work/x-$format.tar" | same "back-$format"
done

# Other tools.
if have skopeo; then
    run skopeo-reads-oci skopeo inspect "oci-archive:$work/x-oci.tar"
    run skopeo-reads-docker skopeo inspect "docker-archive:$work/x-docker.tar"
    run skopeo-copies skopeo copy -q "oci:$work/plain:plain" "docker-archive:$work/sk.tar:example/plain:2"
    import --input "$work/sk.tar" | same skopeo-docker-archive
    run skopeo-zstd skopeo copy -q --dest-compress-format zstd --dest-compress "oci:$work/plain:plain" "oci:$work/zstd:plain"
    import --input "$work/zstd" | same skopeo-zstd-layer
else
    skip skopeo "not installed"
fi
if have umoci; then
    mkdir "$work/um" && tar -C "$work/um" -xf "$work/x-oci.tar"
    run umoci-unpacks umoci unpack --image "$work/um:example/plain:1" "$work/bundle"
    cmp -s "$work/bundle/rootfs/bin/sh" "$(layer_dir "$store" "$work/p.json" 0)/bin/sh" && ok umoci-same || not_ok umoci-same "content differs"
else
    skip umoci "not installed"
fi
if have podman; then
    podman_() { unshare -m podman --root "$work/pr" --runroot "$work/prr" --storage-driver vfs "$@"; }
    run podman-load-oci podman_ load -q -i "$work/x-oci.tar"
    run podman-load-docker podman_ load -q -i "$work/x-docker.tar"
    run podman-save podman_ save -q --format docker-archive -o "$work/pm.tar" example/plain:1
    import --input "$work/pm.tar" | same podman-save
else
    skip podman "not installed"
fi

run verify "$image" --store "$store" verify --quiet
[ "$(json "$work/out" 'r["damaged"]')" = "[]" ] && ok verify-clean || not_ok verify-clean "$(cat "$work/out")"
layer=$(layer_dir "$store" "$work/p.json" 0)
printf X | dd of="$layer/bin/sh" bs=1 seek=100 conv=notrunc status=none
"$image" --store "$store" verify --quiet "$id" >"$work/out" 2>/dev/null
[ $? = 7 ] && grep -q "bin/sh" "$work/out" && ok verify-finds-damage || not_ok verify-finds-damage "$(cat "$work/out")"

# Sweeping keeps what is named and no more.
image_id "$work/f.json" >"$work/keep"
run sweep "$image" --store "$store" sweep --keep-file "$work/keep" --quiet
[ "$(ls "$store/images" | wc -l):$(find "$store/layers" -mindepth 1 -maxdepth 1 -type d | wc -l):$(ls "$store/blobs/sha256" | wc -l)" = 1:2:4 ] &&
    ok sweep-keeps || not_ok sweep-keeps "$(ls -R "$store/images" "$store/blobs")"
run sweep-all "$image" --store "$store" sweep --keep-file /dev/null
[ -z "$(contents "$store")" ] && ok sweep-empties || not_ok sweep-empties "$(contents "$store")"
finish
