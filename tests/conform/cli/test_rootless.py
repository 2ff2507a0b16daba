# SPDX-License-Identifier: Apache-2.0
"""The command line as an ordinary user without a daemon: the first run starts one, and all of it works without root.

usage: test_rootless.py TRINE [unittest arguments]   The user owns a folder and no subordinate ids, so that only user 0
exists in its instances. Skipped (77) without root (to become that user) or busybox.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from on_terminal import wait_for

TRINE = os.path.abspath(sys.argv.pop(1))
ROLES = ("trine", "trine-daemon", "trine-agent", "trine-shim", "trine-image")
USER = 54321
LIMIT_S = 60


class Rootless(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="trine-rootless-", dir="/var/tmp")
        cls.addClassCleanup(cls.clean)
        os.chmod(cls.dir, 0o755)
        os.mkdir(cls.dir + "/bin")
        for role in ROLES:  # the build folder may be closed to the user
            shutil.copy(f"{os.path.dirname(TRINE)}/{role}", f"{cls.dir}/bin/{role}")
        for part in ("home", "run"):
            os.mkdir(f"{cls.dir}/{part}", 0o700)
            os.chown(f"{cls.dir}/{part}", USER, USER)
        cls.env = {k: v for k, v in os.environ.items() if not k.startswith(("TRINE_", "XDG_"))}
        cls.env |= {"HOME": cls.dir + "/home", "XDG_RUNTIME_DIR": cls.dir + "/run"}
        assert b"started a daemon for you" in cls.trine("run", "nosuch", code=125).stderr
        cls.trine("image", "build", "--busybox", "--name", "bb")

    @classmethod
    def clean(cls):
        names = cls.trine("ps", "-aq", code=None).stdout.split()
        if names:
            cls.trine("rm", "-f", *names)
        if cls.trine("ps", code=None).returncode == 0:
            cls.end_daemon(signal.SIGTERM)
        shutil.rmtree(cls.dir, ignore_errors=True)

    @classmethod
    def end_daemon(cls, signo):
        pid = json.loads(cls.trine("node", "--format", "json").stdout)["pid"]
        os.kill(pid, signo)
        wait_for(lambda: cls.trine("ps", code=None).returncode == 13, "the daemon's end")

    @classmethod
    def start(cls, *args):
        return subprocess.Popen([cls.dir + "/bin/trine", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=cls.env, user=USER, group=USER, extra_groups=[], cwd="/")

    @classmethod
    def trine(cls, *args, stdin=b"", code=0):
        with cls.start(*args) as p:
            out, err = p.communicate(stdin, LIMIT_S)
        assert code is None or p.returncode == code, f"trine {' '.join(args)}: {p.returncode} {out!r} {err!r}"
        return subprocess.CompletedProcess(args, p.returncode, out, err)

    def test_streams_exit_code_and_user(self):
        p = self.trine("run", "--rm", "-i", "bb", "sh", "-c", "id -u; cat; exit 7", stdin=b"in", code=7)
        self.assertEqual(p.stdout, b"0\nin")

    def test_exec(self):
        self.trine("run", "-d", "--name", "web", "bb", "sleep", "1000")
        self.assertEqual(self.trine("exec", "-i", "web", "cat", stdin=b"through").stdout, b"through")
        self.trine("exec", "web", "sh", "-c", "exit 5", code=5)
        self.trine("rm", "-f", "web")

    def test_a_program_that_ignores_the_stop_signal_is_killed(self):
        self.trine("run", "-d", "--name", "deaf", "bb", "sleep", "1000")
        begin = time.monotonic()
        self.trine("stop", "-t", "100ms", "deaf")
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(json.loads(self.trine("inspect", "deaf").stdout)["status"]["exit_code"], 137)
        self.trine("rm", "deaf")

    def test_a_forced_removal_tells_who_watches(self):
        self.trine("run", "-d", "--name", "seen", "bb", "sh", "-c", "echo up; exec sleep 1000")
        inside = self.start("exec", "seen", "sh", "-c", "echo up; exec sleep 1000")
        self.assertEqual(inside.stdout.readline(), b"up\n")
        self.trine("rm", "-f", "seen")
        self.assertEqual((inside.communicate(timeout=LIMIT_S)[1], inside.returncode), (b"", 137))

    def test_an_id_that_nobody_granted_is_explained(self):
        self.assertIn(b"/etc/subuid", self.trine("run", "--rm", "-u", "70000", "bb", "true", code=125).stderr)

    def test_instances_outlive_the_daemon(self):
        self.trine("run", "-d", "--name", "stays", "bb", "sleep", "1000")
        self.end_daemon(signal.SIGKILL)
        self.trine("run", "--rm", "bb", "true")
        self.assertEqual(self.trine("exec", "stays", "echo", "here").stdout, b"here\n")
        self.trine("rm", "-f", "stays")


if __name__ == "__main__":
    if os.geteuid() != 0 or not shutil.which("busybox"):
        print("skipped: needs root and busybox")
        sys.exit(77)
    unittest.main(verbosity=1)
