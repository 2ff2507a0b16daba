# SPDX-License-Identifier: Apache-2.0
"""kill -9 of daemon, agent, supervisors and command line at random moments of starts, stops, pauses, restarts, imports
and removals. Afterwards every instance is in a state of rest, every operation has ended, what runs has a process, and
removing everything leaves no process, control group, directory or mount. TRINE_TEST_SEED repeats a run's choices."""

import collections
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

SECONDS = 20
WORKERS = 3
BIN = pathlib.Path(os.environ["TRINE_BUILD"]) / "src" / "cmd"
TRINE = str(BIN / "trine")
PLACE = pathlib.Path(tempfile.mkdtemp(prefix="trine-kill-", dir=os.environ.get("TRINE_TEST_TMP")))
PLACE.chmod(0o755)  # the daemon gives its rights up
SOCKET = str(PLACE / "run" / "api.sock")
ENV = dict(os.environ, TRINE_HOST=f"unix://{SOCKET}", ASAN_OPTIONS="detect_leaks=0")  # looking needs rights it gave up
SEED = int(os.environ.get("TRINE_TEST_SEED") or random.randrange(1 << 30))


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(SOCKET)


def api(method, path):
    connection = Connection("localhost")
    connection.request(method, "/v1" + path)
    answer = json.loads(connection.getresponse().read() or "null")
    connection.close()
    return answer


def instances():
    return api("GET", "/projects/default/instances")["items"]


def unended():
    return [o for o in api("GET", "/operations")["items"] if o["state"] == "running"]


def processes(word):
    """Pids whose command line names both the word and our directory."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            line = pathlib.Path(f"/proc/{entry}/cmdline").read_text() if entry.isdigit() else ""
        except OSError:
            continue
        if str(PLACE) in line and word in line and int(entry) != os.getpid():
            found.append(int(entry))
    return found


class Daemon:
    def __init__(self):
        self.process = None

    def start(self):
        """Waits for the agent of a killed one: the state has one owner."""
        end = time.monotonic() + 15
        while True:
            ours, theirs = os.pipe()
            with open(PLACE / "daemon.log", "ab") as log:
                self.process = subprocess.Popen([str(BIN / "trine-daemon"), "--state", PLACE / "state", "--run", PLACE / "run",
                                                 "--ready-fd", str(theirs)], env=ENV, pass_fds=[theirs],
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            os.close(theirs)
            ready = os.read(ours, 1)
            os.close(ours)
            if ready:
                return
            self.process.wait()
            if time.monotonic() > end:
                raise RuntimeError("the daemon does not start again")
            time.sleep(0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Clients:
    """Threads that use the command line until told to stop."""

    def __init__(self):
        self.stopping, self.running, self.hung, self.lock = False, set(), [], threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(k,)) for k in range(WORKERS)]

    def call(self, *words):
        process = subprocess.Popen([TRINE, *words], env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        with self.lock:
            self.running.add(process)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            self.hung.append(words)
            process.kill()
            process.wait()
        with self.lock:
            self.running.discard(process)

    def kill_one(self, choose):
        with self.lock:
            candidates = [p for p in self.running if p.poll() is None]
        if candidates:
            choose.choice(candidates).kill()

    def sleeper(self, name):
        self.call("run", "-d", "--name", name, "busybox", "sleep", "1000")

    def work(self, number):
        choose, count = random.Random(SEED * 100 + number), 0
        while not self.stopping:
            name, count = f"w{number}x{count}", count + 1
            what = choose.randrange(7)
            if what == 0:
                self.call("run", "--rm", "--name", name, "busybox", "/bin/true")
            elif what == 1:
                self.call("run", "--name", name, "busybox", "sh", "-c", "exit 3")
                self.call("start", name)
            elif what == 2:
                self.call("image", "import", str(PLACE / "image.tar"), "--name", f"copy{number}")
            else:
                self.sleeper(name)
            if what == 3:
                self.call("stop", "-t", "1", name)
            elif what == 4:
                self.call("exec", name, "echo", "hello")
                self.call("rm", "-f", name)
            elif what == 5:
                self.call("pause", name)
                self.call("resume", name)
                self.call("kill", name)
            elif what == 6:
                self.call("restart", "-t", "1", name)


def kill_around(daemon, clients):
    choose, killed, end = random.Random(SEED), collections.Counter(), time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(choose.uniform(0.02, 0.8))
        what = choose.choice(["daemon", "agent", "shim", "shim", "client"])
        if what == "client":
            clients.kill_one(choose)
        elif what == "daemon":
            daemon.kill()
            daemon.start()
        else:
            candidates = processes(f"trine-{what}")
            if not candidates:
                continue
            try:
                os.kill(choose.choice(candidates), signal.SIGKILL)
            except ProcessLookupError:
                continue
            if what == "agent":
                daemon.process.wait(15)  # it does not go on without one
                daemon.start()
        killed[what] += 1
    return killed


def converged():
    moving = ("starting", "stopping", "removing")
    return not unended() and not [i for i in instances() if i["status"]["state"] in moving]


def wait_for(what, seconds):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def left_behind(ids):
    left = [f"process {pid}" for pid in processes("trine-shim")]
    for top, folders, _ in os.walk("/sys/fs/cgroup"):
        left += [f"{top}/{name}" for name in folders if name in ids]
    for folder in ("run/instances", "state/instances", "run", "state"):
        if (PLACE / folder).is_dir():
            left += [f"{folder}/{name}" for name in os.listdir(PLACE / folder) if name in ids]
    left += [line for line in open("/proc/self/mountinfo") if str(PLACE) in line]
    return left


def tell(case, problems):
    text = "; ".join(str(p) for p in problems)[:400].replace("\n", " ")
    print(f"not ok {case}: {text} (TRINE_TEST_SEED={SEED})" if problems else f"ok {case}", flush=True)


def run():
    daemon, clients = Daemon(), Clients()
    daemon.start()
    try:
        clients.call("image", "build", "--busybox")
        clients.call("image", "export", "busybox", "-o", str(PLACE / "image.tar"))
        for thread in clients.threads:
            thread.start()
        try:
            kill_around(daemon, clients)
        finally:
            clients.stopping = True
            for thread in clients.threads:
                thread.join()
        tell("clients_return", clients.hung)
        still = wait_for(converged, 20)
        tell("all_come_to_rest", [] if still else [(i["name"], i["status"]["state"]) for i in instances()] + unended())
        items = instances()
        tell("what_runs_has_a_process", [i["name"] for i in items if i["status"]["state"] == "running" and
                                         not os.path.exists(f"/proc/{i['status']['pid']}")])
        for item in items:
            api("DELETE", f"/projects/default/instances/{item['name']}?force=true&wait=20")
        tell("all_can_be_removed", [(i["name"], i["status"]["state"]) for i in instances()])
        ids = {i["id"] for i in items}
        wait_for(lambda: not left_behind(ids), 5)
        tell("nothing_is_left", left_behind(ids))
        daemon.process.terminate()
        status = daemon.process.wait(15)
        tell("daemon_ends_well", [f"status {status}"] if status else [])
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
        for pid in processes("trine-"):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(PLACE, ignore_errors=True)


run()
