# SPDX-License-Identifier: Apache-2.0
"""Runs the test programs that Meson knows, and counts the cases that cmocka tells of inside them."""

import json
import os
import re
import subprocess
import time

import leftovers

CASE = re.compile(r"^\[ *(OK|FAILED|SKIPPED) *\] (\S+)$", re.M)
SKIPPED_EXIT = 77


def run(report, tree, suite):
    """Every program of the suite in a build tree. One that ends badly fails, whatever its cases said."""
    log = tree / "meson-logs" / f"{suite}.json"
    log.unlink(missing_ok=True)
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1",
               UBSAN_OPTIONS="halt_on_error=1:abort_on_error=1:print_stacktrace=1",
               TRINE_LIBEXEC=str(tree / "src" / "cmd"))
    started, before = time.monotonic(), report.counts()
    command = ["meson", "test", "-C", str(tree), "--no-rebuild", "--suite", suite, "--logbase", suite,
               "--timeout-multiplier", "4" if "sanitize" in tree.name else "2"]
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not log.exists():
        if "No suitable tests defined" in done.stdout + done.stderr or "No tests" in done.stdout:
            return
        report.not_ok(f"{tree.name}/{suite}", f"meson test ended with {done.returncode}", done.stdout + done.stderr)
        return
    for line in log.read_text().splitlines():
        program(report, tree.name, json.loads(line))
    left = leftovers.end_all()
    if left:
        report.not_ok(f"{tree.name}/{suite}/leftovers", "programs left processes behind", "\n".join(left))
    report.group(f"{tree.name}/{suite}", before, time.monotonic() - started)


def program(report, tree, entry):
    name = f"{tree}/{entry['name'].split(' / ')[-1]}"
    output = entry.get("stdout", "") + entry.get("stderr", "")
    good = entry["result"] in ("OK", "EXPECTEDFAIL")
    failures = report.failed
    cases = CASE.findall(output)
    names = [case for _, case in cases]
    for word, case in cases:
        # A failed case is told twice: where it fails, and in the list at the end.
        if word == "FAILED":
            if (word, case) in cases[:names.index(case)]:
                continue
            if not any(n == f"{name}/{case}" for n, _ in report.failures):
                report.not_ok(f"{name}/{case}", "failed", output)
        elif word == "SKIPPED":
            if not told(report, name, case):
                report.skip(f"{name}/{case}", reason(output, case))
        else:
            report.ok(f"{name}/{case}")
    if entry["result"] == "SKIP" or entry.get("returncode") == SKIPPED_EXIT:
        if not cases:
            report.skip(name, output.strip().splitlines()[-1] if output.strip() else "it said no reason")
    elif not good and report.failed == failures:
        report.not_ok(name, f"{entry['result'].lower()}, exit status {entry.get('returncode')}", output)
    elif good and not cases:
        report.ok(name)


_told = set()


def told(report, name, case):
    """cmocka lists skipped cases again at the end of a program."""
    key = (id(report), name, case)
    if key in _told:
        return True
    _told.add(key)
    return False


def reason(output, case):
    """What the case printed last before it was skipped."""
    lines = output.splitlines()
    for i, line in enumerate(lines):
        if re.match(rf"^\[ *SKIPPED *\] {re.escape(case)}$", line):
            before = lines[i - 1] if i else ""
            return before.strip() if before and not before.startswith("[") else "it said no reason"
    return "it said no reason"
