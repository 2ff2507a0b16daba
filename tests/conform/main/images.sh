#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Images: built, imported, exchanged with skopeo and umoci, damaged, removed.
. tests/conform/lib.sh
need_daemon

check "build busybox" 0 '' trine image build --busybox
is "listed" busybox:latest "$(trine image ls -q)"
check "again is the same image" 0 '' trine image build --busybox
is "one image" 1 "$(trine image ls --no-header | wc -l)"
check "inspect" 0 '"sha256:[0-9a-f]{64}"' trine image inspect busybox
check "tag" 0 '' trine image tag busybox tool:1.0
check "run by the other name" 0 '^x$' trine run --rm tool:1.0 echo x
check "run by its id" 0 '^x$' trine run --rm "$(trine image inspect busybox | json id)" echo x
check "a name that is none" 2 'name' trine image tag busybox 'Bad Name'
check "a name with .." 2 'name' trine image tag busybox '../x'

check "export as OCI" 0 '' trine image export busybox -o "$T/oci.tar"
check "export for docker" 0 '' trine image export --type docker busybox -o "$T/docker.tar"
mkdir "$T/layout" && tar -C "$T/layout" -xf "$T/oci.tar"
check "skopeo reads the layout" 0 'sha256:' skopeo inspect --raw "oci:$T/layout:busybox:latest"
check "skopeo reads docker-archive" 0 'Layers|layers' skopeo inspect --raw "docker-archive:$T/docker.tar"
check "umoci unpacks it" 0 '' umoci unpack --rootless --image "$T/layout:busybox:latest" "$T/unpacked"
check "skopeo copies it" 0 '' skopeo copy -q "oci:$T/layout:busybox:latest" "oci:$T/copied:again"
check "skopeo writes docker-archive" 0 '' skopeo copy -q "oci:$T/layout:busybox:latest" "docker-archive:$T/skopeo.tar:localhost/fromskopeo:1"

id=$(trine image inspect busybox | json id)
check "rm of a name" 0 '' trine image rm tool:1.0
check "rm of the last name" 0 '' trine image rm busybox
is "no image" "" "$(trine image ls -q)"
check "import of a layout folder" 0 '' trine image import --name copied "$T/copied"
is "the same image" "$id" "$(trine image inspect copied | json id)"
check "it runs" 0 '^x$' trine run --rm copied echo x
check "import of a layout tar" 0 '' trine image import "$T/oci.tar"
check "import of docker-archive" 0 '' trine image import "$T/skopeo.tar"
check "under its own name" 0 '' trine image inspect localhost/fromskopeo:1
check "import from standard input" 0 '' sh -c "trine image import --name piped - <'$T/docker.tar'"
mkdir -p "$T/root/bin" && cp "$(command -v busybox)" "$T/root/bin/sh"
tar -C "$T/root" -czf "$T/root.tar.gz" .
check "import of a root file system" 0 '' trine image import --type rootfs --name plain "$T/root.tar.gz"
check "it runs too" 0 '^plain$' trine run --rm plain sh -c 'echo plain'

before=$(trine image ls --format json | md5sum)
blobs=$(find "$T/state/images" | wc -l)
head -c 5000 "$T/oci.tar" >"$T/short.tar"
check "a short archive" 7 'short.tar|archive|ends' trine image import "$T/short.tar"
python3 - "$T/layout" <<'EOF'
import pathlib, sys
blobs = sorted(pathlib.Path(sys.argv[1], "blobs/sha256").iterdir(), key=lambda p: -p.stat().st_size)
data = bytearray(blobs[0].read_bytes())
data[len(data) // 2] ^= 1
blobs[0].write_bytes(data)
EOF
trine image prune --all >/dev/null # what is known by its digest is not read again
before=$(trine image ls --format json | md5sum)
blobs=$(find "$T/state/images" | wc -l)
check "a damaged layer" 7 'sha256|digest|damaged|checksum' trine image import "$T/layout"
head -c 100000 /dev/urandom >"$T/noise"
check "noise" 7 '' trine image import "$T/noise"
check "a file that is not there" 4 'no-such-file' trine image import "$T/no-such-file"
python3 - "$T" <<'EOF'
import io, sys, tarfile
def tar(name, *entries):
    with tarfile.open(f"{sys.argv[1]}/{name}.tar", "w") as out:
        for path, kind, link in entries:
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind, link
            data = b"evil" if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
R, S, H = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
tar("dotdot", ("../../../../../../../../trine-evil", R, ""))
tar("absolute", ("/trine-evil", R, ""))
tar("through-link", ("out", S, "/"), ("out/trine-evil", R, ""))
tar("through-relative", ("out", S, "../../../../../../../.."), ("out/trine-evil", R, ""))
tar("hard-link", ("passwd", H, "../../../../../../../../etc/passwd"))
EOF
for evil in dotdot absolute through-link through-relative hard-link; do
    run trine image import --type rootfs --name "evil-$evil" "$T/$evil.tar"
    if [ -e /trine-evil ]; then
        not_ok "$evil" "it wrote to the host's root"
        rm -f /trine-evil
    else
        ok "$evil stays inside (status $STATUS)"
    fi
    trine image rm "evil-$evil" >/dev/null 2>&1
done
run trine image rm evil-hard-link
is "no image appeared or went" "$before" "$(trine image ls --format json | md5sum)"
at_most "and no blob stayed" "$blobs" "$(find "$T/state/images" | wc -l)"

dd if=/dev/zero bs=1M count=300 2>/dev/null | gzip -1 >"$T/zeros.gz"
mkdir -p "$T/big" && dd if=/dev/urandom of="$T/big/file" bs=1M count=200 2>/dev/null
tar -C "$T/big" -cf "$T/big.tar" .
(trine image import --type rootfs --name big "$T/big.tar" >/dev/null 2>&1) &
import=$!
sleep 0.2
kill -9 $import 2>/dev/null
wait $import 2>/dev/null
becomes "an import whose client was killed leaves nothing or all" 20 sh -c \
    "! pgrep -x -P $(agent_pid) trine-image"
case $(trine image ls -q) in
    *big*) trine image rm big >/dev/null 2>&1 ;;
esac
at_most "nor a temporary file" "$blobs" "$(find "$T/state/images" | wc -l)"

trine image import "$T/oci.tar" >/dev/null
trine image tag busybox second
trine create --name user busybox true >/dev/null
check "rm of an image in use" 6 'user' sh -c 'trine image rm second && trine image rm tool:1.0 && trine image rm busybox'
trine rm user >/dev/null
check "prune" 0 '' trine image prune --all
is "nothing is left" "" "$(trine image ls -q)"
at_most "on the disk" 20 "$(find "$T/state/images" -type f | wc -l)"
check "no such suite" 2 '' trine image build --from-debian 'no such suite'
