#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes images, honest and hostile, as OCI layout directories: archives.py CASE DIRECTORY."""
import gzip, hashlib, io, json, os, sys, tarfile


def member(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644, pax=None, **more):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, len(data), link, mode
    info.pax_headers = pax or {}
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def folder(name, mode=0o755, **more):
    return member(name, tarfile.DIRTYPE, mode=mode, **more)


def symlink(name, to):
    return member(name, tarfile.SYMTYPE, link=to, mode=0o777)


def hard_link(name, to):
    return member(name, tarfile.LNKTYPE, link=to)


def tar(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Layout:
    def __init__(self, path):
        self.path, self.manifests = path, []
        os.makedirs(path + "/blobs/sha256", exist_ok=True)

    def blob(self, data, name=None):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{self.path}/blobs/sha256/{name or digest}", "wb") as f:
            f.write(data)
        return {"digest": "sha256:" + (name or digest), "size": len(data)}

    def layer(self, data, pack=lambda d: gzip.compress(d, mtime=0)):
        d = self.blob(pack(data))
        d["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
        return d

    def image(self, tars, config=None, change=None, pack=lambda d: gzip.compress(d, mtime=0), **entry):
        body = {"architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z", "config": {"Cmd": ["/bin/sh"]},
                "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(t).hexdigest() for t in tars]}}
        body.update(config or {})
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **self.blob(json.dumps(body).encode())},
                    "layers": [self.layer(t, pack) for t in tars]}
        if change:
            change(self, manifest)
        self.entry(self.blob(json.dumps(manifest).encode()), **entry)

    def entry(self, blob, kind="manifest", **more):
        self.manifests.append({"mediaType": f"application/vnd.oci.image.{kind}.v1+json", **blob, **more})

    def close(self):
        for name, body in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                           ("index.json", {"schemaVersion": 2, "manifests": self.manifests})):
            with open(f"{self.path}/{name}", "w") as f:
                json.dump(body, f)


def sparse_bomb():
    return member("big", data=b"x", pax={"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "big",
                                        "GNU.sparse.size": "9000000000000000000", "GNU.sparse.map": "0,1"})


# One layer each, refused by the unpacker.
hostile = {
    "dotdot": [member("ok"), member("a/../../escape", data=b"x")],
    "dotdot-only": [member("..", data=b"x")],
    "absolute": [member("/escape", data=b"x")],
    "symlink-parent": [symlink("way", "/tmp"), member("way/escape", data=b"x")],
    "symlink-relative": [folder("a"), symlink("a/way", "../.."), member("a/way/escape", data=b"x")],
    "symlink-mkdir": [symlink("way", "/tmp"), folder("way/escape")],
    "symlink-whiteout": [symlink("way", "/tmp"), member("way/.wh.escape")],
    "hard-link-absolute": [hard_link("shadow", "/etc/passwd")],
    "hard-link-dotdot": [hard_link("shadow", "../../../etc/passwd")],
    "hard-link-symlink": [symlink("way", "/etc"), hard_link("shadow", "way/passwd")],
    "hard-link-missing": [hard_link("shadow", "nowhere")],
    "hard-link-directory": [folder("a"), hard_link("b", "a")],
    "whiteout-parent": [folder("sub"), member("sub/.wh...")],
    "whiteout-self": [folder("sub"), member("sub/.wh..")],
    "whiteout-nothing": [member(".wh.")],
    "below-a-file": [member("file"), member("file/child")],
    "long-name": [member("n" * 256)],
    "long-path": [member("/".join(["d" * 200] * 21))],
    "root-is-a-file": [member(".", data=b"x")],
    "sparse-bomb": [sparse_bomb()],
}


def bad_manifest(name):
    def size(l, m):
        m["layers"][0]["size"] += 1

    def small(l, m):
        m["layers"][0]["size"] -= 1

    def digest(l, m):
        other = l.blob(gzip.compress(tar(member("other")), mtime=0))
        os.replace(f"{l.path}/blobs/sha256/{other['digest'][7:]}", f"{l.path}/blobs/sha256/{m['layers'][0]['digest'][7:]}")
        m["layers"][0]["size"] = other["size"]

    def corrupt(l, m):
        path = f"{l.path}/blobs/sha256/{m['layers'][0]['digest'][7:]}"
        data = bytearray(open(path, "rb").read())
        data[len(data) // 2] ^= 0x55
        open(path, "wb").write(data)

    def cut(l, m):
        path = f"{l.path}/blobs/sha256/{m['layers'][0]['digest'][7:]}"
        data = open(path, "rb").read()
        data = data[: len(data) // 2]
        m["layers"][0].update(l.layer(data, lambda d: d))

    def config_digest(l, m):
        path = f"{l.path}/blobs/sha256/{m['config']['digest'][7:]}"
        data = open(path, "rb").read().replace(b"/bin/sh", b"/bin/ah")
        open(path, "wb").write(data)

    def config_missing(l, m):
        os.remove(f"{l.path}/blobs/sha256/{m['config']['digest'][7:]}")

    def layer_missing(l, m):
        os.remove(f"{l.path}/blobs/sha256/{m['layers'][0]['digest'][7:]}")

    def layer_count(l, m):
        m["layers"].append(m["layers"][0])

    def layers_type(l, m):
        m["layers"] = "all of them"

    def digest_path(l, m):
        m["layers"][0]["digest"] = "sha256:../../../../etc/passwd"

    def size_negative(l, m):
        m["config"]["size"] = -1

    def schema(l, m):
        m["schemaVersion"] = 1

    def many(l, m):
        m["layers"] = m["layers"] * 200

    def symlinked(l, m):
        path = f"{l.path}/blobs/sha256/{m['layers'][0]['digest'][7:]}"
        os.rename(path, l.path + "/real")
        os.symlink(l.path + "/real", path)
    return locals()[name.replace("-", "_")]


bad = ["size", "small", "digest", "corrupt", "cut", "config-digest", "config-missing", "layer-missing", "layer-count",
       "layers-type", "digest-path", "size-negative", "schema", "many", "symlinked"]
plain = [folder("bin"), member("bin/sh", data=os.urandom(25600), mode=0o755)]


def features():
    """Two layers: what must survive, and what the second takes away."""
    capability = "\x01\x00\x00\x02\x00 \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    lower = tar(
        folder("./", mode=0o755), folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"),
        symlink("outside", "/etc"), folder("etc", mode=0o750, uid=7, gid=8, mtime=1000000001),
        member("etc/keep", data=b"keep"), member("etc/gone", data=b"gone"), folder("hidden"), member("hidden/a"),
        folder("emptied"), member("emptied/a"), member("setuid", data=b"s", mode=0o4755, uid=1000, gid=1001),
        hard_link("again", "setuid"), member("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("pipe", tarfile.FIFOTYPE, mode=0o600),
        member("capable", data=b"c", mode=0o755, pax={"SCHILY.xattr.security.capability": capability}),
        member("tagged", data=b"t", pax={"SCHILY.xattr.user.color": "blue", "SCHILY.xattr.user.overlay.redirect": "/etc",
                                          "SCHILY.xattr.trusted.overlay.metacopy": "y"}),
        member("u\u0308ber", data=b"decomposed"), member("d/" + "x" * 150 + "/" + "y" * 120, data=b"long"),
        member("twice", data=b"first"), member("twice", data=b"second", mtime=1000000002),
        member("holes", data=b"AB", pax={"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "holes",
                                           "GNU.sparse.size": "1000000", "GNU.sparse.map": "0,1,999999,1"}))
    upper = tar(
        member("etc/.wh.gone"), member("etc/new", data=b"new"), member(".wh.hidden"), member("hidden/b", data=b"b"),
        folder("emptied"), member("emptied/.wh..wh..opq"), member("emptied/c", data=b"c"),
        member("lib/through", data=b"through"), member("outside/mine", data=b"mine"), member(".wh.never-was"))
    return [lower, upper]


def make(case, path):
    layout = Layout(path)
    if case in hostile:
        layout.image([tar(*hostile[case])])
    elif case in bad:
        layout.image([tar(*plain)], change=bad_manifest(case))
    elif case == "plain":
        layout.image([tar(*plain)], annotations={"org.opencontainers.image.ref.name": "plain"})
    elif case == "features":
        layout.image(features())
    elif case == "bomb":
        layout.image([tar(member("zeros", data=bytes(200 << 20)))])
    elif case == "entries":
        layout.image([tar(*[member(f"f{i}") for i in range(2000)])])
    elif case == "wrong-diff-id":
        layout.image([tar(*plain)], config={"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}})
    elif case == "tar-checksum":
        data = bytearray(tar(*plain))
        data[150] ^= 1
        layout.image([bytes(data)])
    elif case == "platforms":
        other = {"platform": {"os": "linux", "architecture": "s390x"}}
        mine = {"platform": {"os": "linux", "architecture": "amd64"}}
        inner = Layout(path)
        inner.image([tar(member("other"))], **other)
        inner.image([tar(member("mine"))], **mine)
        body = json.dumps({"schemaVersion": 2, "manifests": inner.manifests}).encode()
        layout.entry(layout.blob(body), kind="index")
    elif case == "other-platform":
        layout.image([tar(*plain)], platform={"os": "linux", "architecture": "s390x"})
    elif case == "two-images":
        for name in ("one", "two"):
            layout.image([tar(*plain), tar(member(name))], annotations={"org.opencontainers.image.ref.name": name})
    elif case == "members":  # gzip in two members
        def pack(d):
            return gzip.compress(d[:1000], mtime=0) + gzip.compress(d[1000:], mtime=0)
        layout.image([tar(*plain)], pack=pack)
    elif case == "none":
        layout.image([tar(*plain)], pack=lambda d: d)
    elif case == "many-layers":
        layout.image([tar(member(f"f{i}", data=b"%d" % i)) for i in range(100)])
    elif case == "random":  # a few MiB that do not compress
        layout.image([tar(*[member(f"r{k}-{i}", data=os.urandom(20000)) for i in range(100)]) for k in range(3)])
    elif case == "deep-json":
        layout.image([tar(*plain)], config={"x": eval("[" * 90 + "]" * 90)})
    else:
        sys.exit(f"no case {case}")
    layout.close()


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        print("\n".join({"hostile": hostile, "bad": bad}[sys.argv[2]]))
    else:
        make(sys.argv[1], sys.argv[2])
