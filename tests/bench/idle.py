# SPDX-License-Identifier: Apache-2.0
"""what an idle daemon costs: resident memory and wake-ups, with ten instances sleeping; the supervisors' own share.

Targets: at most 12 MB resident, no periodic wake-ups, at most 0.4 MB (PSS) for each supervisor."""

import statistics
import time

import common

SECONDS = 30


def bench(rounds):
    del rounds
    with common.daemon() as daemon:
        for i in range(10):
            daemon.trine("run", "-d", "--name", f"idle{i}", "busybox", "sleep", "1000")
        time.sleep(12)  # workers end after ten seconds without work
        agents = [pid for pid in common.processes("trine-agent") if common.parent_of(pid) == daemon.pid]
        roles = {"daemon": [daemon.pid], "agent": agents}
        before = {pid: common.switches(pid) for pids in roles.values() for pid in pids}
        time.sleep(SECONDS)
        for role, pids in roles.items():
            for pid in pids:
                print(f"    {role}: RSS {common.memory_kib(pid, 'Rss') / 1024:.2f} MB, PSS {common.memory_kib(pid, 'Pss') / 1024:.2f} MB, "
                      f"{common.switches(pid) - before[pid]} context switches in {SECONDS} s")
        shims = [pid for pid in common.processes("trine-shim") if belongs(pid, str(daemon.place))]
        pss = [common.memory_kib(pid, "Pss") for pid in shims]
        if pss:
            print(f"    supervisor: PSS median {statistics.median(pss) / 1024:.2f} MB, most {max(pss) / 1024:.2f} MB, of {len(pss)}")


def belongs(pid, place):
    """Our own daemon's: what it was started with names the place."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return place.encode() in file.read()
