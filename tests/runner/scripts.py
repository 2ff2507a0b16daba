# SPDX-License-Identifier: Apache-2.0
"""Runs test scripts. A script tells "ok NAME", "not ok NAME: why" or "skip NAME: why", one line a case.

One that dies, takes too long or tells nothing has failed, and so has one that leaves processes or mounts behind. A
script may ask for more time by a line "# budget: SECONDS" near its top."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import leftovers

CASE = re.compile(r"^(ok|not ok|skip) ([^:]+)(?:: (.*))?$")
BUDGET_S = 120


def run_all(report, root, tree, suite):
    """The scripts of a suite that Meson does not run already: those that begin with #! and that no meson.build beside
    them names."""
    found = sorted(root.glob(f"tests/{suite}/*/*.sh")) + sorted(root.glob(f"tests/{suite}/*.sh"))
    run(report, root, tree, [str(p.relative_to(root)) for p in found if own(p)])


def own(path):
    build = path.parent / "meson.build"
    named = build.read_text() if build.exists() else ""
    return path.read_text().startswith("#!") and f"'{path.stem}'" not in named and f"{path.name}'" not in named


def budget(path, default):
    head = path.read_text().splitlines()[:20]
    for line in head:
        if match := re.match(r"^# budget: (\d+)$", line):
            return int(match.group(1))
    return default


def run(report, root, tree, paths, budget_s=BUDGET_S):
    for path in paths:
        one(report, root, tree, path, budget(root / path, budget_s))


def one(report, root, tree, path, budget_s):
    name = path.removeprefix("tests/").removesuffix(".sh").removesuffix("/__main__.py")
    started, before = time.monotonic(), report.counts()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="trine-test-"))
    scratch.chmod(0o755)
    env = {key: value for key, value in os.environ.items() if not key.startswith("TRINE_")}
    env.update(TRINE_BUILD=str(tree), TRINE=str(tree / "src" / "cmd" / "trine"), TRINE_TEST_TMP=str(scratch),
               TRINE_SOURCE=str(root), TMPDIR=str(scratch), LC_ALL="C.UTF-8")
    command = ["python3", "-B", path] if path.endswith(".py") else [f"./{path}"]
    told, output, ended = converse(report, name, command, env, root, scratch, budget_s)
    left = leftovers.end_all()
    mounted = leftovers.unmount_below(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    if ended is None:
        report.not_ok(name, f"took more than {budget_s} s", output)
    elif ended != 0 and report.failed == before[1]:
        report.not_ok(name, f"ended with status {ended}", output)
    elif told == 0:
        report.not_ok(name, "told of no case", output)
    elif left or mounted:
        report.not_ok(f"{name}/leftovers", "left something behind", "\n".join(left + mounted))
    report.group(name, before, time.monotonic() - started)


def converse(report, name, command, env, root, scratch, budget_s):
    """Runs the command, its output going to a file that is read as it grows. Returns cases told, output, exit status."""
    log = scratch / "output.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(command, env=env, cwd=root, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    try:
        ended = process.wait(timeout=budget_s)
    except subprocess.TimeoutExpired:
        ended = None
        try:
            os.killpg(process.pid, signal.SIGTERM)  # its clean-up may run
            process.wait(timeout=10)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            process.kill()
            process.wait()
    output = log.read_text(errors="replace")
    told, since = 0, []
    for line in output.splitlines():
        match = CASE.match(line)
        if not match:
            since.append(line)
            continue
        told += 1
        word, case, why = match.groups()
        if word == "ok":
            report.ok(f"{name}/{case}")
        elif word == "skip":
            report.skip(f"{name}/{case}", why or "it said no reason")
        else:
            report.not_ok(f"{name}/{case}", why or "it said no reason", "\n".join(since))
        since = []
    return told, output, ended
