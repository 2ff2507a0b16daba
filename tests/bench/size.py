# SPDX-License-Identifier: Apache-2.0
"""stripped release binaries.

Target: under 4 MB together."""

import os
import pathlib
import shutil
import tempfile

import common


def bench(rounds):
    del rounds
    place = tempfile.mkdtemp(prefix="trine-bench-size-")
    try:
        total = 0
        for binary in sorted(p for p in common.BIN.iterdir() if p.is_file() and os.access(p, os.X_OK)):
            common.out("strip", "-o", f"{place}/{binary.name}", binary)
            size = pathlib.Path(place, binary.name).stat().st_size
            total += size
            print(f"    {binary.name:<14} {size / 1e6:.2f} MB")
        print(f"    together       {total / 1e6:.2f} MB")
    finally:
        shutil.rmtree(place, ignore_errors=True)
