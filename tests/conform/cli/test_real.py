# SPDX-License-Identifier: Apache-2.0
"""The command line with the real daemon, agent, shim and image role, as root, in folders of its own.

usage: test_real.py TRINE [unittest arguments]   The sister roles stand beside TRINE. Skipped (77) without root or busybox.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from on_terminal import Terminal, wait_for

TRINE = os.path.abspath(sys.argv.pop(1))
ROLES = os.path.dirname(TRINE)
LIMIT_S = 60


class Real(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="trine-cli-", dir="/var/tmp")
        os.chmod(cls.dir, 0o755)
        for part in ("state", "run"):
            os.mkdir(f"{cls.dir}/{part}")
        cls.env = {k: v for k, v in os.environ.items() if not k.startswith("TRINE_")}
        cls.env |= {"TRINE_LIBEXEC": ROLES, "TRINE_HOST": f"unix://{cls.dir}/run/api.sock"}
        cls.start_daemon()
        cls.trine("image", "build", "--busybox", "--name", "bb")

    @classmethod
    def tearDownClass(cls):
        names = cls.trine("ps", "-aq").stdout.split()
        if names:
            cls.trine("rm", "-f", *names)
        cls.daemon.terminate()
        cls.daemon.wait(LIMIT_S)
        shutil.rmtree(cls.dir, ignore_errors=True)

    @classmethod
    def start_daemon(cls):
        ready, end = os.pipe()
        with open(cls.dir + "/log", "ab") as log:
            cls.daemon = subprocess.Popen([ROLES + "/trine-daemon", "--state", cls.dir + "/state", "--run", cls.dir + "/run",
                                           "--ready-fd", str(end)], stderr=log, pass_fds=(end,), env=cls.env)
        os.close(end)
        assert os.read(ready, 1), "the daemon did not start: " + open(cls.dir + "/log", encoding="utf-8").read()
        os.close(ready)

    @classmethod
    def trine(cls, *args, stdin=b"", code=0):
        p = subprocess.run([TRINE, *args], input=stdin, capture_output=True, timeout=LIMIT_S, env=cls.env, check=False)
        assert code is None or p.returncode == code, f"trine {' '.join(args)}: {p.returncode} {p.stdout!r} {p.stderr!r}"
        return p

    def popen(self, *args):
        p = subprocess.Popen([TRINE, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        return p

    def test_run_gives_streams_and_exit_code_and_leaves_nothing(self):
        p = self.trine("run", "--rm", "--name", "gone", "bb", "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
        self.assertEqual((p.stdout, p.stderr), (b"out\n", b"err\n"))
        wait_for(lambda: self.trine("inspect", "gone", code=None).returncode == 4, "the instance to be removed")

    def test_input_reaches_the_program_to_its_end(self):
        data = os.urandom(200000)
        self.assertEqual(self.trine("run", "-i", "--rm", "bb", "cat", stdin=data).stdout, data)

    def test_what_is_not_there_is_127_and_own_failures_are_125(self):
        self.assertIn(b"nosuch", self.trine("run", "--rm", "bb", "nosuch", code=127).stderr)
        self.assertIn(b"image nosuch", self.trine("run", "nosuch", code=125).stderr)

    def test_the_life_of_an_instance(self):
        self.trine("create", "--name", "web", "-m", "64M", "-l", "tier=front", "bb", "sh", "-c", "echo up; exec sleep 100")
        self.trine("start", "web")
        self.assertEqual(self.trine("ps", "-q", "--filter", "label=tier=front").stdout.count(b"\n"), 1)
        self.assertEqual(self.trine("exec", "web", "cat", "/etc/hostname").stdout, b"web\n")
        self.assertEqual(self.trine("exec", "-i", "web", "cat", stdin=b"through").stdout, b"through")
        self.trine("exec", "web", "sh", "-c", "exit 5", code=5)
        wait_for(lambda: self.trine("logs", "web").stdout == b"up\n", "the log")
        stats = json.loads(self.trine("stats", "--no-stream", "--format", "json", "web").stdout)
        self.assertEqual(stats[0]["memory_max_bytes"], 64 << 20)
        self.trine("pause", "web")
        self.assertEqual(json.loads(self.trine("inspect", "web").stdout)["status"]["state"], "paused")
        self.trine("resume", "web")
        self.trine("rm", "web", code=6)
        self.trine("stop", "-t", "100ms", "web")
        self.trine("rm", "web")

    def test_a_signal_goes_to_the_program(self):
        p = self.popen("run", "--rm", "bb", "sh", "-c", 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done')
        self.assertEqual(p.stdout.readline(), b"up\n")
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(LIMIT_S), 9)

    def test_a_daemon_that_dies_is_said_and_the_instance_goes_on(self):
        p = self.popen("run", "--name", "stays", "bb", "sh", "-c", "echo up; exec sleep 100")
        self.assertEqual(p.stdout.readline(), b"up\n")
        self.daemon.kill()
        self.daemon.wait()
        self.assertEqual(p.wait(LIMIT_S), 125)
        self.assertIn(b"stays goes on", p.stderr.read())
        type(self).start_daemon()
        self.assertEqual(json.loads(self.trine("inspect", "stays").stdout)["status"]["state"], "running")
        self.trine("rm", "-f", "stays")

    def test_a_terminal_inside(self):
        t = Terminal(TRINE, self.env, "run", "-it", "--name", "tty", "bb", "sh", size=(31, 99))
        t.expect(b"# ")
        t.type(b"stty size\n")
        t.expect(b"31 99")
        t.resize(40, 111)
        t.type(b"stty size\n")
        t.expect(b"40 111")
        t.type(b"\x10\x11")
        self.assertEqual(t.end(), 0)
        t = Terminal(TRINE, self.env, "attach", "tty")
        wait_for(t.is_raw, "raw mode")
        t.type(b"exit 6\n")
        self.assertEqual(t.end(), 6)
        self.trine("rm", "tty")

    def test_an_image_goes_out_and_comes_in(self):
        path = self.dir + "/image.tar"
        self.trine("image", "export", "-o", path, "bb")
        self.assertEqual(self.trine("image", "import", "--name", "again", path).stdout, b"again:latest\n")
        self.assertIn(b"untagged again", self.trine("image", "rm", "again").stdout)


if __name__ == "__main__":
    if os.geteuid() != 0 or not shutil.which("busybox"):
        print("skipped: needs root and busybox")
        sys.exit(77)
    unittest.main(verbosity=1)
