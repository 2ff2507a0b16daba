# SPDX-License-Identifier: Apache-2.0
"""Finds and ends what a test left behind: only descendants of this process, and only mounts below the test's folder.

Orphans come to this process (it is a subreaper), so whatever a test started stays in our own tree: nothing that
somebody else runs is ever touched."""

import ctypes
import os
import pathlib
import signal
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")
    threading.Thread(target=bury_orphans, daemon=True).start()


def bury_orphans():
    """Reaps adopted processes while tests run, as the first process of a machine does: the end of a container waits for
    it. Our own children are reaped by whoever waits for them, at once: only what stays dead for a while is an orphan."""
    seen = set()
    while True:
        time.sleep(0.1)
        dead = {pid for pid, state in children_of_all().get(os.getpid(), []) if state == "Z"}
        for pid in dead & seen:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        seen = dead


def children_of_all():
    tree = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = pathlib.Path(entry.path, "stat").read_text()
            except OSError:
                continue
            fields = stat[stat.rindex(")") + 2:].split()
            tree.setdefault(int(fields[1]), []).append((int(entry.name), fields[0]))
    return tree


def descendants():
    tree, found, queue = children_of_all(), [], [os.getpid()]
    while queue:
        for pid, state in tree.get(queue.pop(), []):
            queue.append(pid)
            if state != "Z":
                found.append(pid)
    return found


def describe(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    return f"{pid} {words}" if words else None


def groups(pid):
    """The control groups of Trine that a process is in, as folders."""
    found = []
    try:
        lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "/trine/" not in path + "/":
            continue
        names = [controllers.removeprefix("name=")] if controllers else ["unified", ""]
        for name in names:
            folder = pathlib.Path("/sys/fs/cgroup") / name / path.lstrip("/")
            if folder.is_dir():
                found.append(folder)
    return found


def thaw(folder):
    for name, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        try:
            (folder / name).write_text(word)
        except OSError:
            pass


def reap():
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def end_all(grace_s=2.0):
    """Ends every descendant. Returns a line about each that was still there after a moment's grace."""
    until = time.monotonic() + grace_s
    while descendants() and time.monotonic() < until:
        reap()
        time.sleep(0.02)
    told, folders, limit = [], set(), time.monotonic() + 20
    while (pids := descendants()) and time.monotonic() < limit:
        for pid in pids:
            line = describe(pid)
            if line and line not in told:
                told.append(line)
            for folder in groups(pid):
                folders.add(folder)
                thaw(folder)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
        reap()
    for folder in sorted(folders, key=lambda f: -len(f.parts)):
        try:
            folder.rmdir()
        except OSError:
            pass
    return told


def unmount_below(folder):
    """Unmounts all below a folder. Returns what was mounted there."""
    mounted = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point == str(folder) or point.startswith(f"{folder}/"):
            mounted.append(point)
    for point in reversed(mounted):
        subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL, check=False)
    return mounted
