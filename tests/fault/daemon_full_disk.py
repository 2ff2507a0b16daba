# SPDX-License-Identifier: Apache-2.0
"""The state on a small tmpfs that is filled while instances run: changes are refused with 507, an end is still seen by
who waits for it, a daemon starts there too, and with room again the records come to say what is."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BIN = pathlib.Path(os.environ["TRINE_BUILD"]) / "src" / "cmd"
PLACE = pathlib.Path(tempfile.mkdtemp(prefix="trine-full-", dir=os.environ.get("TRINE_TEST_TMP")))
PLACE.chmod(0o755)  # the daemon gives its rights up
STATE = PLACE / "state"
SOCKET = str(PLACE / "run" / "api.sock")
ENV = dict(os.environ, TRINE_HOST=f"unix://{SOCKET}", ASAN_OPTIONS="detect_leaks=0")  # looking needs rights it gave up
INSTANCES = "/projects/default/instances"


def api(method, path, body=None):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(SOCKET)
    connection.request(method, "/v1" + path, json.dumps(body) if body else None,
                       {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text or "null")


def state_of(name):
    return api("GET", f"{INSTANCES}/{name}")[1]["status"]["state"]


def start():
    ours, theirs = os.pipe()
    with open(PLACE / "daemon.log", "ab") as log:
        daemon = subprocess.Popen([str(BIN / "trine-daemon"), "--state", STATE, "--run", PLACE / "run", "--ready-fd", str(theirs)],
                                  env=ENV, pass_fds=[theirs], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    os.close(theirs)
    ready = os.read(ours, 1)
    os.close(ours)
    return daemon if ready else None


def trine(*words):
    subprocess.run([str(BIN / "trine"), *words], env=ENV, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def fill():
    for _ in range(3):  # what others give back meanwhile is taken too
        with open(STATE / "filler", "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass


def tell(case, good, seen):
    print(f"ok {case}" if good else f"not ok {case}: {seen}", flush=True)


def wait_for(what):
    end = time.monotonic() + 15
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def run(daemons):
    daemons.append(start())
    trine("image", "build", "--busybox")
    for name in ("ends", "stays"):
        trine("run", "-d", "--name", name, "busybox", "sleep", "1000")
    trine("create", "--name", "goes", "busybox", "true")
    fill()
    seen = api("PATCH", f"{INSTANCES}/goes", {"labels": {"a": "x" * 900}})
    tell("a_change_is_refused", seen[0] == 507, seen)
    seen = api("POST", f"{INSTANCES}/goes/start")
    tell("a_start_is_refused", seen[0] == 507, seen)
    os.kill(api("GET", f"{INSTANCES}/ends")[1]["status"]["pid"], signal.SIGKILL)
    seen = api("POST", f"{INSTANCES}/ends/wait")
    tell("an_end_is_seen", seen == (200, {"exit_code": 137, "oom_killed": False}), seen)
    seen = api("DELETE", f"{INSTANCES}/goes?wait=10")
    tell("a_removal_ends", seen[1].get("state") == "failed", seen)
    (STATE / "filler").unlink()
    tell("the_end_is_recorded_later", wait_for(lambda: state_of("ends") == "exited"), state_of("ends"))
    tell("the_removal_goes_on", wait_for(lambda: api("GET", f"{INSTANCES}/goes")[0] == 404), "it is there")
    fill()
    daemons[-1].kill()
    daemons[-1].wait()
    again = wait_for(start)  # once its agent has let go of the state
    daemons.append(again)
    tell("a_daemon_starts_there", again is not None, "it does not")
    (STATE / "filler").unlink()
    tell("what_runs_goes_on", state_of("stays") == "running", state_of("stays"))
    for name in ("stays", "ends"):
        api("DELETE", f"{INSTANCES}/{name}?force=true&wait=10")
    tell("all_can_be_removed", api("GET", INSTANCES)[1]["items"] == [], "some are left")


def main():
    daemons = []
    STATE.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24M,mode=0711", "tmpfs", str(STATE)], check=True)
    try:
        run(daemons)
    finally:
        for daemon in daemons:
            if daemon and daemon.poll() is None:
                daemon.terminate()
                daemon.wait()
        subprocess.run(["umount", str(STATE)], check=False)
        shutil.rmtree(PLACE, ignore_errors=True)


main()
