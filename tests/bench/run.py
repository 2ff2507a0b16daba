# SPDX-License-Identifier: Apache-2.0
"""start to exit of /bin/true: trine run --rm against podman run --rm, with the same busybox.

Target: at least 5 times faster. podman gets what it needs on this machine and no more: the cgroupfs manager, ulimits that
can be set, and a mount namespace without the unified hierarchy where crun refuses the hybrid one. Both in one interleaved
run, back to back, so the first attach to a cold control group is paid by both alike."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import common

HYBRID = pathlib.Path("/sys/fs/cgroup/unified/cgroup.procs")


def podman_words(place, runtime):
    conf = pathlib.Path(place, "containers.conf")
    conf.write_text('[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=30000:30000"]\n')
    return ["podman", "--root", f"{place}/podman", "--runroot", f"{place}/podman-run", "--cgroup-manager=cgroupfs", "--events-backend=none",
            f"--runtime={runtime}"]


def busybox_tar(place):
    root = pathlib.Path(place, "root")
    (root / "bin").mkdir(parents=True)
    for folder in ("dev", "proc", "sys", "tmp", "etc"):
        (root / folder).mkdir()
    shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
    for name in ("true", "sh", "sleep"):
        (root / "bin" / name).symlink_to("busybox")
    tar = f"{place}/busybox.tar"
    common.out("tar", "-C", root, "-cf", tar, ".")
    return tar


def in_view(words):
    """crun refuses a hybrid host: give it a view without the unified part, for podman and runtime alike."""
    if not HYBRID.exists():
        return words
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", 'umount /sys/fs/cgroup/unified; exec "$@"', "sh", *words]


def bench(rounds):
    if not shutil.which("podman"):
        raise RuntimeError("podman is not installed")
    place = tempfile.mkdtemp(prefix="trine-bench-podman-", dir="/var/tmp")
    env = dict(os.environ, CONTAINERS_CONF=f"{place}/containers.conf")
    try:
        tar = busybox_tar(place)
        candidates = {}
        for runtime in ("crun", "runc"):
            base = podman_words(place, runtime)
            if runtime == "crun":
                common.out(*base, "import", tar, "bench:latest", env=env)
            for label, network in (("", []), (" --network=none", ["--network=none"])):
                words = [*base, "run", "--rm", *network, "bench:latest", "/bin/true"]
                candidates[f"podman {runtime}{label}"] = (in_view(words) if runtime == "crun" else words, env)
        with common.daemon() as daemon:
            candidates["trine"] = ([common.TRINE, "run", "--rm", "busybox", "/bin/true"], daemon.env)
            for name in [name for name in candidates if name.startswith("podman")]:
                try:
                    common.spawn_ms(*candidates[name])
                except RuntimeError as error:
                    print(f"    {name}: does not run here ({str(error)[-60:]})")
                    del candidates[name]
            if len(candidates) < 2:
                raise RuntimeError("no peer runs here")
            times = common.interleaved(rounds, candidates)
        common.show(times, "trine", [name for name in candidates if name != "trine"])
    finally:
        for words in (["podman", "--root", f"{place}/podman", "--runroot", f"{place}/podman-run", "rm", "-af"],):
            subprocess.run(words, env=env, capture_output=True, check=False)
        for mount in sorted((line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
                             if line.split()[4].startswith(place)), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(place, ignore_errors=True)
