# SPDX-License-Identifier: Apache-2.0
"""The command line against the fake API: exit codes, error texts, formats, streams, terminals.

usage: test_cli.py TRINE [unittest arguments]   Every case says what it requires. Needs no root and no network.
"""
import csv
import hashlib
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import yaml

import fake_api
from on_terminal import Terminal, wait_for

TRINE = os.path.abspath(sys.argv.pop(1))
LIMIT_S = 20


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.socket = self.dir.name + "/api.sock"
        self.server = fake_api.serve(self.socket)
        self.state = self.server.state
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("TRINE_")} | {"TRINE_HOST": f"unix://{self.socket}"}

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.dir.cleanup()

    def run_trine(self, *args, stdin=b"", code=0, env=None):
        p = subprocess.run([TRINE, *args], input=stdin, capture_output=True, timeout=LIMIT_S, env=self.env | (env or {}))
        self.assertEqual(p.returncode, code, f"trine {' '.join(args)}: {p.stdout!r} {p.stderr!r}")
        return p

    def out(self, *args, **more):
        return self.run_trine(*args, **more).stdout.decode()

    def fails(self, code, *args, **more):
        """Requires a failure with this code that says something; returns what."""
        text = self.run_trine(*args, code=code, **more).stderr.decode()
        self.assertRegex(text, "(?m)^trine: ")
        return text

    def make(self, name="web", *more):
        self.out("create", "--name", name, *more, "busybox", "sleep", "9")

    def last(self):
        return list(self.state.instances.values())[-1].json


class Words(Case):
    def test_help_comes_from_the_tables_with_examples(self):
        text = self.out("run", "--help")
        for part in ("Usage: trine run [flags] IMAGE", "--memory SIZE", "Examples:", "trine run -it --rm debian bash"):
            self.assertIn(part, text)
        self.assertIn("image", self.out())
        self.assertIn("Usage: trine image COMMAND", self.out("image"))
        self.assertEqual(self.out("help", "image", "ls"), self.out("image", "ls", "-h"))

    def test_every_command_of_the_tables_explains_itself_and_is_there(self):
        names = self.out("__complete", "commands", "").split("\n")[:-1]
        self.assertGreater(len(names), 40)
        for name in names:
            self.assertIn("Usage: trine " + name, self.out("help", *name.split()))

    def test_unknown_words_are_refused_with_the_nearest_one(self):
        self.assertIn("did you mean trine ps?", self.fails(2, "pss"))
        self.assertIn("did you mean trine image ls?", self.fails(2, "image", "sl"))
        self.assertIn("did you mean trine image ls?", self.fails(2, "images"))
        self.assertIn("did you mean --memory?", self.fails(125, "run", "--memroy", "1", "x"))
        self.assertIn("did you mean container?", self.fails(2, "create", "--level", "contaner", "x"))
        self.assertIn("trine --help", self.fails(2, "frobnicate"))

    def test_bad_values_name_the_flag_and_the_form(self):
        for args, text in ((("--memory", "much"), "flag --memory"), (("--cpus", "many"), "flag --cpus"),
                           (("--pids-limit", "-1"), "flag --pids-limit"), (("--label", "=x"), "flag --label"),
                           (("--volume", "data"), "SOURCE:PATH"), (("--volume", "a:b"), "absolute"),
                           (("--env", "=x"), "flag --env"), (("--env-file", "/nonexistent"), "/nonexistent"),
                           (("--stop-signal", "NOPE"), "not a signal"), (("--rm=perhaps",), "neither true nor false")):
            self.assertIn(text, self.fails(2 if "file" not in args[0] else 4, "create", *args, "busybox"))
        self.assertIn("its value is missing", self.fails(2, "create", "--memory"))
        self.assertIn("argument IMAGE: it is missing", self.fails(125, "run"))
        self.assertIn("usage: trine top", self.fails(2, "top", "a", "b"))
        self.assertEqual(self.state.requests, [], "nothing may be asked of the daemon for a bad line")

    def test_the_project_and_the_host_are_checked(self):
        self.fails(2, "--project", "../x", "ps")
        self.fails(2, "--host", "tcp://127.0.0.1:1", "ps")
        self.fails(2, "--format", "xml", "ps")

    def test_global_flags_stand_anywhere_and_the_environment_counts(self):
        self.make()
        self.assertEqual(self.out("-q", "ps", "-a"), self.out("ps", "-aq"))
        self.out("ps", "--project=blue")
        self.assertIn("/v1/projects/blue/instances", self.state.requests[-1][1])
        self.out("ps", env={"TRINE_PROJECT": "green"})
        self.assertIn("/v1/projects/green/instances", self.state.requests[-1][1])

    def test_roles_of_later_releases_are_refused_clearly(self):
        for role in ("vmm", "store", "switch", "lang"):
            self.assertIn("does not have this role yet", self.fails(12, role))

    def test_completion_scripts_are_valid_bash_and_names_are_live(self):
        script = self.out("completion", "bash")
        self.assertEqual(subprocess.run(["bash", "-n"], input=script.encode(), check=False).returncode, 0)
        for shell in ("zsh", "fish"):
            self.assertIn("trine", self.out("completion", shell))
        self.fails(2, "completion", "tcsh")
        self.make("webby")
        self.make("other")
        self.assertEqual(self.out("__complete", "instances", "we"), "webby\n")
        self.assertEqual(self.out("__complete", "images", ""), "busybox:latest\n")
        self.assertEqual(self.out("__complete", "nonsense", ""), "")
        self.assertEqual(self.out("__complete", "instances", "", env={"TRINE_HOST": "unix:///nonexistent"}), "")


class Requests(Case):
    def test_create_fills_the_body_from_the_flags(self):
        self.out("create", "--name=web", "-m512M", "--cpus", "1.5", "-l", "a=b", "-l", "c=", "-e", "X=1", "-e", "HOME", "-e",
                 "NOT_SET_ANYWHERE", "-v", "data:/srv:ro,noexec", "-v", "/etc:/e", "--tmpfs", "/t:size=1m", "-it", "--stop-timeout",
                 "1m30s", "--entrypoint", "/bin/sh", "--cap-add", "NET_ADMIN", "busybox", "sh", "-c", "--name x", env={"HOME": "/h"})
        made = self.last()
        self.assertEqual(made["limits"], {"memory_bytes": 536870912, "cpus": 1.5})
        self.assertEqual(made["labels"], {"a": "b", "c": ""})
        self.assertEqual(made["env"], ["X=1", "HOME=/h"])
        self.assertEqual(made["mounts"], [
            {"type": "volume", "source": "data", "destination": "/srv", "options": ["ro", "noexec"]},
            {"type": "bind", "source": "/etc", "destination": "/e", "options": []},
            {"type": "tmpfs", "destination": "/t", "options": ["size=1m"]}])
        self.assertEqual((made["terminal"], made["stdin_open"], made["stop_timeout_ms"]), (True, True, 90000))
        self.assertEqual((made["entrypoint"], made["cap_add"], made["args"]), (["/bin/sh"], ["NET_ADMIN"], ["sh", "-c", "--name x"]))

    def test_an_env_file_is_read_and_the_command_line_wins(self):
        with open(self.dir.name + "/env", "w", encoding="utf-8") as f:
            f.write("# comment\n\nA=1\nB=two words\n")
        self.out("create", "-e", "A=2", "--env-file", self.dir.name + "/env", "busybox")
        self.assertEqual(self.last()["env"], ["A=1", "B=two words", "A=2"])

    def test_the_daemons_error_is_shown_with_its_exit_code(self):
        text = self.fails(4, "inspect", "nope")
        self.assertEqual(text, "trine: instance nope: there is none of this name in project default\n"
                               "  next: see what there is with: trine ps -a\n")
        self.make()
        self.assertIn("the name is taken", self.fails(5, "create", "--name", "web", "busybox"))
        self.assertIn("cannot be removed", self.fails(6, "project", "rm", "default"))
        self.assertIn("have not joined", self.fails(12, "network", "create", "x"))

    def test_no_daemon_is_an_error_with_a_next_step(self):
        text = self.fails(13, "ps", env={"TRINE_HOST": "unix:///nonexistent/api.sock"})
        self.assertIn("no daemon answers on /nonexistent/api.sock", text)
        self.assertIn("next: ", text)

    def test_what_is_not_http_is_refused(self):
        self.assertIn("not HTTP", self.fails(7, "volume", "inspect", "garbage"))

    def test_several_objects_go_on_after_a_failure(self):
        self.make("a1")
        self.make("a3")
        p = self.run_trine("rm", "a1", "a2", "a3", code=4)
        self.assertEqual(p.stdout, b"a1\na3\n")
        self.assertIn(b"instance a2", p.stderr)

    def test_verbs_go_to_their_paths(self):
        self.make()
        for verb in ("start", "pause", "resume", "stop", "restart"):
            self.assertEqual(self.out(verb, "web"), "web\n")
            self.assertIn(("POST", f"/v1/projects/default/instances/web/{verb}?wait=1"), self.state.requests)
        self.out("stop", "-t", "250ms", "-s", "INT", "web")
        self.assertEqual(self.state.instances["1".zfill(32)].stop_body, {"timeout_ms": 250, "signal": "INT"})
        self.out("kill", "-s", "USR1", "web")
        self.assertEqual(self.state.signals, [("web", "USR1")])

    def test_no_wait_prints_the_operation(self):
        self.make()
        number = self.out("stop", "--no-wait", "web").strip()
        self.assertRegex(number, "^[0-9a-f]{32}$")
        self.assertEqual(self.out("operation", "wait", number).strip(), number)

    def test_update_sends_a_merge_patch_where_0_lifts(self):
        self.make()
        self.out("update", "-m", "0", "--cpus", "2", "-l", "a=1", "-l", "b", "web")
        self.assertEqual(self.last()["patched"], {"limits": {"memory_bytes": None, "cpus": 2.0}, "labels": {"a": "1", "b": None}})
        self.assertIn("nothing was named", self.fails(2, "update", "web"))
        self.out("project", "edit", "-l", "x", "default")
        self.assertEqual(self.state.projects["default"]["patched"], {"labels": {"x": None}})

    def test_names_with_slashes_are_encoded(self):
        self.fails(4, "image", "inspect", "a/b:c")
        self.assertIn(("GET", "/v1/images/a%2Fb%3Ac"), self.state.requests)

    def test_a_project_is_made_shown_and_removed(self):
        self.assertEqual(self.out("project", "create", "--description", "of tests", "blue"), "blue\n")
        self.assertEqual(json.loads(self.out("project", "inspect", "blue"))["description"], "of tests")
        self.assertEqual(self.out("project", "rm", "blue"), "blue\n")

    def test_version_needs_no_daemon(self):
        self.assertIn("9.9.9", self.out("version"))
        self.assertRegex(self.out("--version", env={"TRINE_HOST": "unix:///nonexistent"}), r"trine +\d+\.\d+\.\d+")
        self.assertEqual(len(self.out("version", "--client").splitlines()), 1)
        self.assertEqual(json.loads(self.out("version", "--format", "json"))["daemon"], "9.9.9")


class Formats(Case):
    LISTS = (("ps", "-a"), ("image", "ls"), ("volume", "ls"), ("network", "ls"), ("project", "ls"), ("operation", "ls"), ("events",))

    def setUp(self):
        super().setUp()
        self.make("web", "-l", "tier=front")
        self.make("db")
        self.out("start", "db")
        self.out("volume", "create", "data")

    def test_every_list_speaks_json_yaml_csv_and_quiet(self):
        for words in self.LISTS:
            with self.subTest(list=words):
                items = json.loads(self.out(*words, "--format", "json"))
                self.assertIsInstance(items, list)
                self.assertTrue(items)
                self.assertEqual(yaml.safe_load(self.out(*words, "--format", "yaml")), items)
                rows = list(csv.DictReader(io.StringIO(self.out(*words, "--format", "csv"), newline="")))
                self.assertEqual(len(rows), len(items))
                self.assertNotIn(None, rows[0])
                self.assertEqual(len(self.out(*words, "-q").splitlines()), len(items))
                table = self.out(*words).splitlines()
                self.assertEqual(len(table), len(items) + 1)
                self.assertEqual(len(self.out(*words, "--no-header").splitlines()), len(items))

    def test_csv_quotes_as_rfc_4180(self):
        text = self.out("volume", "ls", "--format", "csv")
        self.assertIn("\r\n", text)
        self.assertIn('"a, b, say ""x"""', text)

    def test_raw_values_for_machines_and_human_ones_for_people(self):
        self.assertIn("1572864", self.out("image", "ls", "--format", "csv"))
        self.assertIn("1.5 MiB", self.out("image", "ls"))

    def test_ps_shows_what_runs_and_filters(self):
        self.assertEqual(len(self.out("ps", "-q").split()), 1)
        self.assertEqual(len(self.out("ps", "-aq").split()), 2)
        self.assertEqual([i["name"] for i in json.loads(self.out("ps", "-a", "--format", "json", "--filter", "label=tier=front"))], ["web"])
        self.assertEqual(len(self.out("ps", "-q", "--filter", "state=created").split()), 1)
        self.assertEqual(len(self.out("ps", "-aq", "--filter", "name=d*").split()), 1)
        self.assertEqual(self.out("ps", "-aq", "--filter", "name=d*", "--filter", "state=created"), "")
        self.assertIn("use one of name", self.fails(2, "ps", "--filter", "colour=red"))
        self.assertIn("KEY=VALUE", self.fails(2, "ps", "--filter", "running"))
        self.out("ps", "-A")
        self.assertTrue(self.state.requests[-1][1].startswith("/v1/instances?"))

    def test_inspect_is_the_apis_object(self):
        self.assertEqual(json.loads(self.out("inspect", "web")), list(self.state.instances.values())[0].json)
        self.assertEqual(len(json.loads(self.out("inspect", "web", "db"))), 2)
        self.assertEqual(yaml.safe_load(self.out("inspect", "web", "--format", "yaml"))["name"], "web")
        self.fails(2, "inspect", "web", "--format", "csv")

    def test_control_characters_do_not_reach_tables(self):
        self.assertNotIn("\x1b", self.out("top", "db"))
        self.assertIn("\\x1b", self.out("top", "db"))

    def test_stats_in_a_pipe_is_a_document_a_line(self):
        p = subprocess.Popen([TRINE, "stats", "--interval", "100ms", "db"], stdout=subprocess.PIPE, env=self.env)
        lines = [json.loads(p.stdout.readline()) for _ in range(3)]
        p.terminate()
        p.stdout.close()
        p.wait()
        self.assertEqual({line["name"] for line in lines}, {"db"})
        self.assertNotIn("cpu_percent", lines[0])
        self.assertIn("cpu_percent", lines[1])
        self.assertIn("CPU %", self.out("stats", "--no-stream"))

    def test_events_follow_the_stream(self):
        lines = [json.loads(line) for line in self.out("events", "-f", "--format", "json").splitlines()]
        self.assertEqual([e["sequence"] for e in lines], [1, 2])
        self.assertEqual(len(self.out("events", "-f", "--filter", "type=instance.started").splitlines()), 1)

    def test_what_cannot_be_written_is_a_failure(self):
        for words in (("ps", "-a"), ("ps", "-aq"), ("inspect", "web"), ("--help",), ("stop", "web"), ("image", "export", "busybox"),
                      ("completion", "bash"), ("logs", "web")):
            with self.subTest(words=words), open("/dev/full", "wb") as full:
                p = subprocess.run([TRINE, *words], stdout=full, stderr=subprocess.PIPE, timeout=LIMIT_S, env=self.env)
                self.assertEqual(p.returncode, 15, p.stderr)
                self.assertIn(b"No space left", p.stderr)

    def test_node_metrics(self):
        self.assertIn("it has not joined yet", self.out("node"))
        self.assertEqual(json.loads(self.out("node", "--format", "json"))["cpus"], 2)
        self.assertTrue(self.out("metrics").endswith("# EOF\n"))


class Streams(Case):
    def test_run_gives_output_errors_and_the_exit_code(self):
        self.assertEqual(self.out("run", "busybox", "echo", "hello", "-i"), "hello -i\n")
        p = self.run_trine("run", "busybox", "both")
        self.assertEqual((p.stdout, p.stderr), (b"to out\n", b"to err\n"))
        self.run_trine("run", "busybox", "exit", "7", code=7)
        self.assertEqual(len(self.out("run", "busybox", "big")), 6000000)

    def test_run_uses_three_requests_and_the_stream(self):
        self.out("run", "busybox", "echo")
        self.assertEqual([r[0] for r in self.state.requests], ["POST", "GET", "POST"])

    def test_input_goes_in_to_its_end_only_with_i(self):
        data = os.urandom(300000)
        self.assertEqual(self.run_trine("run", "-i", "busybox", "cat", stdin=data).stdout, data)
        self.out("run", "-d", "busybox", "cat", stdin=b"not read")
        self.assertIn("input=true", [r[1] for r in self.state.requests if "attach" in r[1]][0])

    def test_rm_leaves_nothing_behind(self):
        self.out("run", "--rm", "busybox", "true")
        self.fails(127, "run", "--rm", "missing", "zz")
        self.assertEqual(self.state.instances, {})

    def test_own_failures_are_125_126_127(self):
        self.assertIn("image nowhere", self.fails(125, "run", "nowhere"))
        self.assertIn("program zz", self.fails(127, "run", "missing", "zz"))
        self.assertIn("program zz", self.fails(126, "run", "denied", "zz"))
        self.fails(125, "run", "busybox", env={"TRINE_HOST": "unix:///nonexistent"})
        self.fails(125, "run", "-it", "busybox", "cat")

    def test_a_lost_daemon_is_said_and_the_output_before_is_kept(self):
        p = self.run_trine("run", "--name", "web", "busybox", "lost", code=125)
        self.assertEqual(p.stdout, b"before\n")
        self.assertIn(b"the instance web goes on", p.stderr)
        self.assertIn(b"trine attach web", p.stderr)

    def test_signals_go_to_the_program(self):
        for number, name in ((signal.SIGINT, "INT"), (signal.SIGTERM, "TERM"), (signal.SIGUSR1, "USR1")):
            p = subprocess.Popen([TRINE, "run", "busybox", "sleep"], stdout=subprocess.PIPE, env=self.env)
            self.assertEqual(p.stdout.readline(), b"sleeping\n")
            p.send_signal(number)
            self.assertEqual(p.wait(LIMIT_S), 128 + number)
            p.stdout.close()
            self.assertEqual(self.state.signals[-1][1], name)

    def test_detached_run_prints_the_id(self):
        self.assertRegex(self.out("run", "-d", "busybox", "sleep"), "^[0-9a-f]{32}\n$")

    def test_exec_runs_beside_the_program(self):
        self.make()
        self.assertIn("start it with", self.fails(125, "exec", "web", "true"))
        self.out("start", "web")
        self.assertEqual(self.out("exec", "-i", "web", "cat", stdin=b"through"), "through")
        self.run_trine("exec", "web", "exit", "3", code=3)
        p = self.run_trine("exec", "web", "nothere", code=127)
        self.assertIn(b"not in the image's PATH", p.stderr)
        asked = json.loads(self.out("exec", "-u", "me", "-w", "/tmp", "-e", "A=b c", "web", "env", "-x", "--", "y"))
        self.assertEqual(asked, {"args": ["env", "-x", "--", "y"], "user": ["me"], "working_dir": ["/tmp"], "env": ["A=b c"]})

    def test_start_attach_and_wait(self):
        self.out("create", "--name", "one", "busybox", "exit", "5")
        self.run_trine("start", "-a", "one", code=5)
        self.assertEqual(self.out("wait", "one"), "5\n")

    def test_logs_render_streams_stamps_and_parts(self):
        self.make()
        p = self.run_trine("logs", "web")
        self.assertEqual((p.stdout, p.stderr), (b"first\none line, joined\n", b"oops\n"))
        p = self.run_trine("logs", "-t", "web")
        self.assertEqual(p.stderr, b"2026-11-21T09:44:00.200Z oops\n")
        self.out("logs", "-f", "-n", "5", "--since", "10m", "web")
        self.assertRegex(self.state.requests[-1][1], r"follow=true&tail=5&since=20\d\d-")
        self.assertIn("neither a time nor a duration", self.fails(2, "logs", "--since", "soon", "web"))


class Images(Case):
    def test_a_file_a_pipe_and_a_directory_are_imported(self):
        path = self.dir.name + "/image.tar"
        data = os.urandom(3000000)
        with open(path, "wb") as f:
            f.write(data)
        p = self.run_trine("image", "import", "--name", "x:1", path)
        self.assertEqual(p.stdout, b"x:1\n")
        self.assertIn(b"unpacking 1 MiB of 3 MiB", p.stderr)
        self.out("image", "import", "-", stdin=data)
        digest = hashlib.sha256(data).hexdigest()
        self.assertEqual(self.state.uploads, [(digest, 3000000, None), (digest, 3000000, "chunked")])

    def test_a_directory_goes_through_the_packer_and_its_failure_counts(self):
        role = self.dir.name + "/trine-image"
        for code in (0, 3):
            with open(role, "w", encoding="utf-8") as f:
                f.write(f"#!/bin/sh\n[ \"$1\" = pack ] && tar -C \"$2\" -c . \nexit {code}\n")
            os.chmod(role, 0o755)
            self.run_trine("image", "import", "/etc/apt", env={"TRINE_LIBEXEC": self.dir.name}, code=10 if code else 0)
        self.assertEqual(len(self.state.uploads), 1, "a part of a directory must not arrive as a whole")

    def test_an_early_refusal_is_the_error(self):
        with open(self.dir.name + "/big", "wb") as f:
            f.truncate(50000000)
        self.assertIn("no space left", self.fails(15, "image", "import", "--name", "full", self.dir.name + "/big"))
        self.fails(4, "image", "import", "/nonexistent")

    def test_ctrl_c_cancels_the_operation_and_says_so(self):
        p = subprocess.Popen([TRINE, "image", "import", "--name", "forever", "-"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             env=self.env)
        self.assertEqual(p.stderr.readline(), b"for ever 1\n")
        p.send_signal(signal.SIGINT)
        text = p.stderr.read().decode()
        p.stderr.close()
        self.assertEqual(p.wait(LIMIT_S), 9)
        self.assertIn("image.import was cancelled", text)
        self.assertIn("DELETE", [r[0] for r in self.state.requests])

    def test_export_is_whole_or_not_there(self):
        path = self.dir.name + "/out.tar"
        self.out("image", "export", "-o", path, "busybox")
        self.assertEqual(os.path.getsize(path), 300000)
        self.assertEqual(self.run_trine("image", "export", "busybox").stdout, b"tar" * 100000)
        before = sorted(os.listdir(self.dir.name))
        self.fails(13, "image", "export", "-o", self.dir.name + "/broken.tar", "broken")
        self.assertEqual(sorted(os.listdir(self.dir.name)), before)
        self.fails(4, "image", "export", "-o", "/nonexistent/x.tar", "busybox")

    def test_build_says_what_is_asked(self):
        self.assertEqual(json.loads(self.out("image", "build", "--busybox")), {"from": "busybox"})
        self.assertEqual(json.loads(self.out("image", "build", "--from-debian", "bookworm", "--package", "a", "--package", "b")),
                         {"from": "debian", "suite": "bookworm", "packages": ["a", "b"]})
        self.fails(2, "image", "build")
        self.fails(2, "image", "build", "--busybox", "--from-debian", "x")

    def test_tag_rm_prune(self):
        self.out("image", "tag", "busybox", "bb:1")
        self.assertIn("bb:1", self.state.images[0]["names"])
        self.assertIn("untagged bb:latest", self.out("image", "rm", "bb"))
        self.assertEqual(json.loads(self.out("image", "prune", "--format", "json"))["freed_bytes"], 12)
        self.assertIn("12 B", self.out("image", "prune"))


class OnATerminal(Case):
    def test_keys_go_raw_and_detach_keys_leave(self):
        t = Terminal(TRINE, self.env, "run", "-it", "--name", "web", "busybox", "cat")
        wait_for(t.is_raw, "raw mode")
        t.type(b"a\x03b\x10")
        t.expect(b"a\x03b")
        t.type(b"c")
        t.expect(b"a\x03b\x10c")
        t.type(b"\x10\x11")
        self.assertEqual(t.end(), 0)
        self.assertIn(b"detached; web goes on", t.text)
        self.assertEqual(self.last()["status"]["state"], "running")

    def test_the_size_is_known_before_the_program_runs_and_follows(self):
        t = Terminal(TRINE, self.env, "run", "-it", "busybox", "size", size=(33, 101))
        self.assertEqual(t.end(), 0)
        self.assertIn(b"33 x 101", t.text)
        self.make()
        self.out("start", "web")
        t = Terminal(TRINE, self.env, "exec", "-it", "web", "size", size=(12, 90))
        self.assertEqual(t.end(), 0)
        self.assertIn(b"12 x 90", t.text)

    def test_the_terminal_is_restored(self):
        script = f"stty -g; {TRINE} run -it busybox cat; stty -g"
        pid, fd = pty.fork()
        if pid == 0:
            os.execve("/bin/sh", ["sh", "-c", script], self.env)
        wait_for(lambda: not termios.tcgetattr(fd)[3] & termios.ICANON, "raw mode")
        os.write(fd, b"\x10\x11")
        text = b""
        try:
            while data := os.read(fd, 65536):
                text += data
        except OSError:
            pass
        os.waitpid(pid, 0)
        os.close(fd)
        modes = re.findall(rb"[0-9a-f]+(?::[0-9a-f]+){20,}", text)
        self.assertEqual(len(modes), 2, text)
        self.assertEqual(modes[0], modes[1])

    def test_tables_are_cut_to_the_terminal_and_a_tar_is_refused(self):
        self.make("a-rather-long-name-for-an-instance-of-a-test", "-l", "x=y")
        t = Terminal(TRINE, self.env, "ps", "-a", size=(24, 70))
        self.assertEqual(t.end(), 0)
        lines = t.text.decode().splitlines()
        self.assertEqual(len(lines), 2, lines)
        self.assertLessEqual(max(map(len, lines)), 70)
        self.assertIn("…", lines[1])
        t = Terminal(TRINE, self.env, "image", "export", "busybox")
        self.assertEqual(t.end(), 2)
        self.assertIn(b"no place for a tar", t.text)

    def test_a_bar_on_a_terminal(self):
        path = self.dir.name + "/image.tar"
        with open(path, "wb") as f:
            f.truncate(4000000)
        t = Terminal(TRINE, self.env, "image", "import", path)
        self.assertEqual(t.end(), 0)
        self.assertIn(b"unpacking [##########", t.text)
        self.assertTrue(t.text.endswith(b"\x1b[Kimported:latest\r\n"), t.text)


class Starting(Case):
    DAEMON = """#!{python}
import os, sys
sys.path.insert(0, {here!r})
assert sys.argv[1:] == ["--background", "--ready-fd", "3"], sys.argv
{what}
"""

    def start_with(self, what):
        # Another user may see neither this folder nor this interpreter.
        here, python = self.dir.name, shutil.which("python3", path="/usr/bin:/bin") or sys.executable
        shutil.copy(fake_api.__file__, here)
        with open(self.dir.name + "/trine-daemon", "w", encoding="utf-8") as f:
            f.write(self.DAEMON.format(python=python, here=here, what=what))
        os.chmod(self.dir.name + "/trine-daemon", 0o755)
        env = {"TRINE_LIBEXEC": self.dir.name, "XDG_RUNTIME_DIR": self.dir.name, "TRINE_HOST": ""}
        return env

    @unittest.skipIf(os.geteuid() != 0, "becomes another user")
    def test_run_starts_a_daemon_for_whoever_asks(self):
        os.chmod(self.dir.name, 0o777)
        what = (f"import fake_api, threading, time\nos.makedirs({self.dir.name!r} + '/trine')\n"
                f"fake_api.serve({self.dir.name!r} + '/trine/api.sock')\nos.write(3, b'ready')\nos.close(3)\ntime.sleep(3)\n")
        p = subprocess.run([TRINE, "run", "busybox", "echo", "hello"], capture_output=True, timeout=LIMIT_S, user=65534, cwd="/",
                           env=self.env | self.start_with(what))
        self.assertEqual((p.returncode, p.stdout), (0, b"hello\n"), p.stderr)
        self.assertIn(b"trine: started a daemon for you", p.stderr)

    @unittest.skipIf(os.geteuid() != 0, "becomes another user")
    def test_a_daemon_that_fails_to_start_says_why(self):
        os.chmod(self.dir.name, 0o777)
        p = subprocess.run([TRINE, "run", "busybox", "echo", "hello"], capture_output=True, timeout=LIMIT_S, user=65534, cwd="/",
                           env=self.env | self.start_with("sys.exit('the state is of a newer version')"))
        self.assertEqual(p.returncode, 125)
        self.assertIn(b"it did not start: the state is of a newer version", p.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
