# SPDX-License-Identifier: Apache-2.0
"""trine ps with 1000 instances: time of the daemon's processor, and wall time of the client.

Target: under 20 ms of the daemon's time for each listing."""

import statistics

import common

COUNT = 1000


def bench(rounds):
    with common.daemon() as daemon:
        for i in range(COUNT):
            daemon.trine("create", "--name", f"many{i}", "busybox", "true")
        daemon.trine("ps", "-a")
        wall, cpu = [], []
        for _ in range(rounds):
            before = common.cpu_ns(daemon.pid)
            wall.append(common.spawn_ms([common.TRINE, "ps", "-a"], daemon.env))
            cpu.append((common.cpu_ns(daemon.pid) - before) / 1e6)
        lines = len(daemon.trine("ps", "-a", "-q").split())
        print(f"    {lines} instances: daemon median {statistics.median(cpu):.2f} ms of processor time, most {max(cpu):.2f}; "
              f"client median {statistics.median(wall):.2f} ms")
