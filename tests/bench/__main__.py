# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: python3 tests/bench [--rounds N] [NAME…], called by ./bench."""

import argparse
import sys

import idle
import listing
import oci
import run
import size

BENCHES = {"run": run, "oci": oci, "idle": idle, "ps": listing, "size": size}


def main():
    parser = argparse.ArgumentParser(prog="bench", description="Measure Trine against peers on this machine.")
    parser.add_argument("--rounds", type=int, default=25, help="rounds of each pair (25)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all of them without one")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(BENCHES)}")
    failed = 0
    for name in options.names or BENCHES:
        print(f"\n==> {name}: {BENCHES[name].__doc__.splitlines()[0]}", flush=True)
        try:
            BENCHES[name].bench(options.rounds)
        except (OSError, RuntimeError) as error:
            print(f"    failed: {error}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
