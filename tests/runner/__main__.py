# SPDX-License-Identifier: Apache-2.0
"""Runs suites and counts: python3 tests/runner SUITE…, called by ./test once everything is built."""

import os
import pathlib
import sys

import fuzz
import leftovers
import programs
import scripts
from report import Report

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release"
SANITIZE = ROOT / "build" / "sanitize"
FUZZ = ROOT / "build" / "fuzz"


def unit(report):
    for tree in (RELEASE, SANITIZE):
        programs.run(report, tree, "unit")


def style(report):
    scripts.run(report, ROOT, RELEASE, ["tests/style/__main__.py"], budget_s=300)


def conform(report):
    programs.run(report, RELEASE, "conform")
    scripts.run_all(report, ROOT, RELEASE, "conform")


def fault(report):
    programs.run(report, RELEASE, "fault")
    programs.run(report, SANITIZE, "fault")
    scripts.run_all(report, ROOT, RELEASE, "fault")


def fuzzing(report):
    fuzz.run(report, ROOT, FUZZ)


SUITES = {"unit": unit, "style": style, "fuzz": fuzzing, "conform": conform, "fault": fault}


def main():
    sys.stdout.reconfigure(line_buffering=True)
    os.chdir(ROOT)
    leftovers.adopt_orphans()
    strict = os.environ.get("TRINE_CI_STRICT", "") not in ("", "0") or os.environ.get("CI") == "true"
    report = Report(strict, ROOT / "tests" / "skips.txt")
    for name in sys.argv[1:]:
        print(f"\n==> {name}")
        SUITES[name](report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
