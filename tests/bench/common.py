# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: a daemon of their own, timing by posix_spawn, medians and ratios."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "src" / "cmd"
TRINE = str(BIN / "trine")


def spawn_ms(argv, env=None):
    """Wall time from spawn to exit. posix_spawn (vfork inside) costs the same whatever the size of this process."""
    null = os.open("/dev/null", os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)] + [(os.POSIX_SPAWN_CLOSE, null)]
    begin = time.perf_counter_ns()
    pid = os.posix_spawnp(argv[0], argv, env or dict(os.environ), file_actions=actions)
    _, status = os.waitpid(pid, 0)
    end = time.perf_counter_ns()
    os.close(null)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {code}")
    return (end - begin) / 1e6


def interleaved(rounds, candidates, prepare=None):
    """{name: (argv, env)} run once each in random order, `rounds` times. Returns {name: [ms]}; one round before is not counted."""
    times = {name: [] for name in candidates}
    order = list(candidates)
    for number in range(rounds + 1):
        random.shuffle(order)
        for name in order:
            if prepare:
                prepare()
            argv, env = candidates[name]
            ms = spawn_ms(argv, env)
            if number > 0:
                times[name].append(ms)
    return times


def show(times, ours, peers):
    width = max(len(name) for name in times)
    for name, values in times.items():
        print(f"    {name:<{width}}  median {statistics.median(values):8.2f} ms   least {min(values):8.2f} ms", flush=True)
    for peer in peers:
        if peer in times:
            ratio = statistics.median(times[peer]) / statistics.median(times[ours])
            print(f"    {peer} / {ours}: {ratio:.2f}", flush=True)


def out(*argv, env=None, check=True):
    done = subprocess.run([str(a) for a in argv], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


class Daemon:
    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.env = dict(os.environ, TRINE_HOST=f"unix://{place}/run/api.sock")
        out(TRINE, "daemon", "--background", "--state", self.place / "state", "--run", self.place / "run", "--log",
            self.place / "daemon.log", env=self.env)
        self.pid = json.loads(self.trine("node", "--format", "json"))["pid"]

    def trine(self, *words, check=True):
        return out(TRINE, *words, env=self.env, check=check)

    def end(self):
        for line in self.trine("ps", "-a", "-q", check=False).split():
            self.trine("rm", "-f", line, check=False)
        os.kill(self.pid, 15)
        until = time.monotonic() + 10
        while pathlib.Path(f"/proc/{self.pid}").exists() and time.monotonic() < until:
            time.sleep(0.05)


@contextlib.contextmanager
def daemon(busybox=True):
    """A daemon with places of its own, gone afterwards."""
    place = tempfile.mkdtemp(prefix="trine-bench-", dir="/var/tmp")
    os.chmod(place, 0o755)
    one = None
    try:
        one = Daemon(place)
        if busybox:
            one.trine("image", "build", "--busybox")
        yield one
    finally:
        if one:
            one.end()
        shutil.rmtree(place, ignore_errors=True)


def memory_kib(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"no {field} of {pid}")


def cpu_ms(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def cpu_ns(pid):
    """Finer than cpu_ms where the kernel has schedstat: all threads together."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def switches(pid):
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def parent_of(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2:].split()[1])


def processes(name):
    """Pids whose command's file name is name."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.path.basename(words[0].decode(errors="replace")) == name:
                found.append(int(entry.name))
    return found
