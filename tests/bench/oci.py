# SPDX-License-Identifier: Apache-2.0
"""the low level: trine-oci run against crun run and runc run, on the same bundle.

Target: no slower than the faster of the two. All three run in a mount namespace without the unified hierarchy when the host is
hybrid, since crun refuses it otherwise."""

import ctypes
import json
import os
import pathlib
import shutil
import tempfile

import common
import run

CLONE_NEWNS = 0x00020000


def bundle(place):
    """The runtimes' own default configuration (by `runc spec`), without a terminal, running /bin/true."""
    folder = pathlib.Path(place, "bundle")
    folder.mkdir()
    run.busybox_tar(place)
    pathlib.Path(place, "root").rename(folder / "rootfs")
    common.out("runc", "spec", "--bundle", folder)
    config = json.loads((folder / "config.json").read_text())
    config["process"]["terminal"] = False
    config["process"]["args"] = ["/bin/true"]
    config["process"].pop("rlimits", None)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def bench(rounds):
    """In a child with a mount namespace of its own, so that its making is not part of the figures."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            measure(rounds)
            status = 0
        except (OSError, RuntimeError) as error:
            print(f"    failed: {error}", flush=True)
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError("the measuring child did")


def measure(rounds):
    place = tempfile.mkdtemp(prefix="trine-bench-oci-", dir="/var/tmp")
    try:
        folder = bundle(place)
        if run.HYBRID.exists():
            unshare_mounts()
            common.out("mount", "--make-rprivate", "/")
            common.out("umount", "/sys/fs/cgroup/unified")
        commands = {}
        for name, program in {"trine-oci": str(common.BIN / "trine-oci"), "crun": shutil.which("crun"),
                              "runc": shutil.which("runc")}.items():
            if program:
                commands[name] = ([program, "--root", f"{place}/{name}", "run", "--bundle", str(folder), f"bench-{name}"], None)
            else:
                print(f"    {name}: is not installed")
        common.show(common.interleaved(rounds, commands), "trine-oci", ["crun", "runc"])
    finally:
        shutil.rmtree(place, ignore_errors=True)


def unshare_mounts():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace")
