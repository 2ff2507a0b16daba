# SPDX-License-Identifier: Apache-2.0
"""Replays each fuzzer's corpus, then lets it look for new trouble for a short while."""

import os
import shutil
import subprocess
import tempfile
import time

SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))


def run(report, root, tree):
    fuzzers = sorted((tree / "tests" / "fuzz").glob("fuzz-*"))
    fuzzers = [f for f in fuzzers if f.is_file() and os.access(f, os.X_OK)]
    if not fuzzers:
        report.not_ok("fuzz", f"there is no fuzzer in {tree}")
    for fuzzer in fuzzers:
        one(report, root, fuzzer)


def one(report, root, fuzzer):
    name = fuzzer.name
    started, before = time.monotonic(), report.counts()
    corpus = root / "tests" / "fuzz" / "corpus" / name.removeprefix("fuzz-")
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1",
               UBSAN_OPTIONS="halt_on_error=1:abort_on_error=1")
    scratch = tempfile.mkdtemp(prefix="trine-fuzz-")
    try:
        seeds = sorted(str(p) for p in corpus.iterdir()) if corpus.is_dir() else []
        if not seeds:
            report.not_ok(f"{name}/corpus", f"tests/fuzz/corpus/{corpus.name} is empty")
        elif attempt(report, f"{name}/replay", [str(fuzzer), *seeds], env, scratch, 120):
            attempt(report, f"{name}/search", [str(fuzzer), f"-max_total_time={SECONDS}", "-max_len=65536", "-timeout=10",
                                               "-rss_limit_mb=2048", scratch, str(corpus)], env, scratch, SECONDS + 60)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    report.group(name, before, time.monotonic() - started)


def attempt(report, name, command, env, cwd, limit_s):
    try:
        done = subprocess.run(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s,
                              check=False)
    except subprocess.TimeoutExpired as late:
        report.not_ok(name, f"took more than {limit_s} s", (late.stderr or b"").decode(errors="replace"))
        return False
    if done.returncode != 0:
        report.not_ok(name, f"ended with status {done.returncode}", done.stderr.decode(errors="replace"))
        return False
    report.ok(name)
    return True
