# SPDX-License-Identifier: Apache-2.0
"""Counts cases. Where skips are not allowed, one counts as a failure unless tests/skips.txt gives the reason."""

import time


class Report:
    def __init__(self, strict, skips_file):
        self.strict = strict
        self.allowed = [line.split(":", 1)[0].strip() for line in skips_file.read_text().splitlines()
                        if line.strip() and not line.startswith("#")]
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.started = time.monotonic()

    def ok(self, name):
        self.passed += 1

    def not_ok(self, name, why, output=""):
        self.failed += 1
        self.failures.append((name, why))
        print(f"not ok {name}: {why}")
        for line in output.rstrip().splitlines()[-40:]:
            print(f"    | {line}")

    def skip(self, name, why):
        if self.strict and not any(name == entry or name.endswith("/" + entry) for entry in self.allowed):
            self.not_ok(name, f"skipped where it can run: {why}")
            return
        self.skipped += 1
        print(f"skip {name}: {why}")

    def group(self, name, before, seconds):
        """One line about a program or script that has ended; before is what counts() gave when it began."""
        now = self.counts()
        figures = [f"{now[i] - before[i]} {word}" for i, word in enumerate(("passed", "failed", "skipped"))
                   if now[i] - before[i] or i == 0]
        print(f"    {name}: {', '.join(figures)} ({seconds:.1f} s)")

    def counts(self):
        return (self.passed, self.failed, self.skipped)

    def finish(self):
        if self.failures:
            print("\n==> failed")
            for name, why in self.failures:
                print(f"    {name}: {why}")
        print(f"\n==> {time.monotonic() - self.started:.0f} seconds in all")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed or self.passed == 0 else 0
