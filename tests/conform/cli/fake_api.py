# SPDX-License-Identifier: Apache-2.0
"""A small stand-in for the daemon's API: HTTP and WebSocket on a unix socket, objects in memory.

It answers as api/ describes, so that the command line can be tested without a daemon, and it misbehaves where a test
asks for it (images named "lost", "missing", "denied"; instances named "hang-up"). Programs are played by run_program().
"""
import base64
import hashlib
import http.server
import json
import os
import queue
import re
import socketserver
import struct
import threading
import time
import urllib.parse

IN, OUT, ERR, EXIT, RESIZE = range(5)
SIGNALS = {"INT": 2, "TERM": 15, "KILL": 9, "HUP": 1, "USR1": 10}
NOW = "2026-11-21T09:44:00.123Z"
IMAGE_ID = "sha256:" + "ab" * 32


class Problem(Exception):
    def __init__(self, status, kind, obj, cause, next_step=""):
        self.status = status
        self.body = {"type": "about:blank", "title": kind, "status": status, "kind": kind, "object": obj, "cause": cause,
                     "next": next_step, "detail": f"{obj}: {cause}"}


class State:
    """Everything that the daemon would keep."""

    def __init__(self):
        self.lock = threading.RLock()
        self.instances, self.volumes, self.operations, self.count = {}, {}, {}, 0
        self.projects = {"default": {"kind": "project", "id": "0" * 32, "name": "default", "labels": {}, "instances": 0,
                                     "created_at": NOW, "revision": 1, "description": ""}}
        self.images = [{"kind": "image", "id": IMAGE_ID, "names": ["busybox:latest"], "size_bytes": 1572864, "created_at": NOW,
                        "built_at": None, "architecture": "amd64", "os": "linux", "config": {}, "layers": [], "revision": 3}]
        self.uploads, self.signals, self.requests = [], [], []

    def new_id(self):
        self.count += 1
        return f"{self.count:032x}"


class Instance:
    """An instance, and the program that it plays: frames go to every socket that is attached."""

    def __init__(self, state, project, body):
        self.state, self.sockets, self.input, self.size = state, [], queue.Queue(), None
        self.args = body.get("args", [])
        self.done = threading.Event()
        number = state.new_id()
        self.json = {"kind": "instance", "id": number, "name": body.get("name") or f"calm_otter{state.count}",
                     "project": project, "labels": {}, "level": "container", "image_id": IMAGE_ID, "desired": "stopped",
                     "created_at": NOW, "revision": 1, **{k: v for k, v in body.items() if v is not None},
                     "status": {"state": "created", "pid": 0, "exit_code": None, "oom_killed": False, "started_at": None,
                                "finished_at": None, "reason": "", "warnings": []}}

    def send(self, channel, data):
        for ws in list(self.sockets):
            ws.send(bytes([channel]) + data)

    def finish(self, code, text=""):
        self.json["status"].update(state="exited", exit_code=code, finished_at=NOW, pid=0)
        self.done.set()
        self.send(EXIT, struct.pack("<I", code) + text.encode())
        for ws in list(self.sockets):
            ws.close()
        if self.json.get("remove_on_exit"):
            self.state.instances.pop(self.json["id"], None)

    def start(self):
        if self.json["image"].startswith("missing"):
            raise Problem(404, "not-found", f"program {(self.args or ['x'])[0]}", "it is not in the image's PATH")
        if self.json["image"].startswith("denied"):
            raise Problem(403, "denied", f"program {(self.args or ['x'])[0]}", "it is not executable")
        self.json["status"].update(state="running", pid=4711, started_at=NOW)
        threading.Thread(target=run_program, args=(self, self.args), daemon=True).start()


def run_program(where, args):
    """Plays a program on `where`, which has send, finish, input and size."""
    name = args[0] if args else "true"
    if name == "echo":
        where.send(OUT, (" ".join(args[1:]) + "\n").encode())
    elif name == "both":
        where.send(OUT, b"to out\n")
        where.send(ERR, b"to err\n")
    elif name == "env":
        where.send(OUT, json.dumps(where.request).encode())
    elif name == "cat":
        while (data := where.input.get()) != b"":
            if isinstance(data, int):
                return where.finish(128 + data)
            where.send(OUT, data)
    elif name == "sleep":
        where.send(OUT, b"sleeping\n")
        while not isinstance(data := where.input.get(), int):
            pass
        return where.finish(128 + data)
    elif name == "size":
        while where.size is None:
            time.sleep(0.005)
        where.send(OUT, b"%d x %d\n" % where.size)
    elif name == "big":
        for _ in range(200):
            where.send(OUT, b"x" * 30000)
    elif name == "lost":
        where.send(OUT, b"before\n")
        for ws in where.sockets:
            ws.drop()
        return None
    elif name == "nothere":
        return where.finish(127, "it is not in the image's PATH")
    where.finish(int(args[1]) if name == "exit" else 0)
    return None


class Exec:
    """A program beside the main one: its streams are one socket's."""

    def __init__(self, ws, request):
        self.ws, self.request, self.input, self.sockets = ws, request, queue.Queue(), [ws]
        rows = request.get("rows")
        self.size = (int(rows[0]), int(request["columns"][0])) if rows else None

    def send(self, channel, data):
        self.ws.send(bytes([channel]) + data)

    def finish(self, code, text=""):
        self.send(EXIT, struct.pack("<I", code) + text.encode())
        self.ws.close()


class WebSocket:
    def __init__(self, handler, sockets=None):
        if sockets is not None:
            sockets.append(self)  # before the client can start the program
        self.file_in, self.file_out, self.connection = handler.rfile, handler.wfile, handler.connection
        self.lock, self.closed = threading.RLock(), False
        key = handler.headers["Sec-WebSocket-Key"]
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        handler.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"),
                            ("Sec-WebSocket-Accept", base64.b64encode(digest).decode())):
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True

    def frame(self, opcode, data):
        size = len(data)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else \
            b"\x7f" + struct.pack(">Q", size)
        try:
            with self.lock:
                self.file_out.write(bytes([0x80 | opcode]) + length + data)
                self.file_out.flush()
        except (OSError, ValueError):
            self.closed = True

    def send(self, data):
        self.frame(2, data)

    def close(self):
        self.frame(8, struct.pack(">H", 1000))
        self.closed = True

    def drop(self):
        self.closed = True
        self.connection.shutdown(2)

    def messages(self):
        """Binary messages of the client. A frame that is not masked ends the connection, as RFC 6455 5.1 wants."""
        self.frame(9, b"are you there")
        while len(head := self.file_in.read(2)) == 2:
            opcode, size = head[0] & 15, head[1] & 127
            assert head[1] & 128, "a client masks its frames"
            if size == 126:
                size = struct.unpack(">H", self.file_in.read(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.file_in.read(8))[0]
            mask = self.file_in.read(4)
            data = bytes(b ^ mask[i & 3] for i, b in enumerate(self.file_in.read(size)))
            if opcode == 8:
                return
            if opcode == 2:
                yield data

    def feed(self, where):
        """What comes in goes to the program that `where` plays."""
        for data in self.messages():
            if data[0] == IN:
                where.input.put(data[1:])
            elif data[0] == RESIZE:
                where.size = struct.unpack("<HH", data[1:5])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def address_string(self):
        return "unix"

    # Answers.
    def reply(self, status, body=None, media="application/json"):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def chunks(self, media, parts):
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def read_body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    # Operations.
    def operation(self, verb, name, result=None, problem=None, steps=()):
        op = {"kind": "operation", "id": self.state.new_id(), "verb": verb, "state": "done", "cancellable": True,
              "object": {"kind": verb.split(".")[0], "project": "default", "name": name, "id": ""}, "created_at": NOW,
              "finished_at": NOW, "progress": {"step": "", "done": 0, "total": None}, "error": problem, "result": result}
        if problem:
            op["state"] = "failed"
        if steps:
            op.update(state="running", finished_at=None, final=(result, problem), steps=list(steps))
        self.state.operations[op["id"]] = op
        return {k: v for k, v in op.items() if k not in ("final", "steps")}

    def operation_step(self, op):
        if op["state"] == "running" and op.get("steps"):
            step, done, total = op["steps"].pop(0)
            op["progress"] = {"step": step, "done": done, "total": total}
            if step == "for ever":
                op["steps"].insert(0, (step, done, total))
        elif op["state"] == "running":
            op.update(state="done", finished_at=NOW)
        return {k: v for k, v in op.items() if k not in ("final", "steps")}

    # Requests.
    def do(self):
        self.state = self.server.state
        url = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        self.state.requests.append((self.command, self.path))
        self.body = None
        try:
            for method, pattern, fn in ROUTES:
                match = re.fullmatch(pattern, url.path)
                if match and method == self.command:
                    if fn is not Handler.image_import:
                        data = self.read_body()
                        self.body = json.loads(data) if data else None
                    fn(self, *[urllib.parse.unquote(g) for g in match.groups()])
                    return
            raise Problem(404, "not-found", f"path {url.path}", "the API has no such operation")
        except Problem as problem:
            self.reply(problem.status, problem.body, "application/problem+json")

    do_GET = do_POST = do_PATCH = do_DELETE = do

    def find(self, name):
        for i in self.state.instances.values():
            if name in (i.json["name"], i.json["id"]):
                return i
        raise Problem(404, "not-found", f"instance {name}", "there is none of this name in project default",
                      "see what there is with: trine ps -a")

    def version(self):
        self.reply(200, {"name": "trine", "version": "9.9.9", "api": "v1"})

    def node(self):
        self.reply(200, {"kind": "node", "name": "box", "version": "9.9.9", "api": "v1", "kernel": "6.18", "architecture": "x86_64",
                         "cpus": 2, "memory_bytes": 25769803776, "cgroup_mode": "hybrid", "rootless": False, "pid": 1,
                         "started_at": NOW, "state_dir": "/var/lib/trine", "instances": {"total": 1, "running": 1},
                         "levels": [{"level": "container", "available": True, "reason": ""},
                                    {"level": "vm", "available": False, "reason": "it has not joined yet"}],
                         "networks": ["none", "host"], "storage_drivers": ["directory"]})

    def instance_list(self, project=None):
        items = [i.json for i in self.state.instances.values()]
        if "state" in self.query:
            items = [i for i in items if i["status"]["state"] in self.query["state"]]
        for label in self.query.get("label", []):
            key, _, value = label.partition("=")
            items = [i for i in items if key in i["labels"] and value in ("", i["labels"][key])]
        self.reply(200, {"items": items, "revision": 7})

    def instance_create(self, project):
        if self.body["image"] == "nowhere":
            raise Problem(404, "not-found", "image nowhere", "there is none of this name",
                          "see what there is with: trine image ls")
        if any(i.json["name"] == self.body.get("name") for i in self.state.instances.values()):
            raise Problem(409, "exists", f"instance {self.body['name']}", "the name is taken")
        instance = Instance(self.state, project, self.body)
        self.state.instances[instance.json["id"]] = instance
        self.reply(201, instance.json)

    def instance_get(self, project, name):
        self.reply(200, self.find(name).json)

    def instance_patch(self, project, name):
        instance = self.find(name)
        instance.json["patched"] = self.body
        self.reply(200, instance.json)

    def instance_delete(self, project, name):
        instance = self.find(name)
        if instance.json["status"]["state"] == "running" and "force" not in self.query:
            raise Problem(409, "state", f"instance {name}", "it runs", "stop it first, or use --force")
        self.state.instances.pop(instance.json["id"], None)
        self.reply(200, self.operation("instance.delete", name))

    def instance_verb(self, project, name, verb):
        instance, problem = self.find(name), None
        if verb == "start":
            try:
                instance.start()
            except Problem as p:
                problem = p.body
        elif verb in ("stop", "restart"):
            instance.json["status"].update(state="exited", exit_code=0)
            instance.stop_body = self.body
        steps = [("waiting for the program", 0, None)] if verb == "stop" and "slow" in name else ()
        self.reply(200 if "wait" in self.query else 202, self.operation(f"instance.{verb}", name, None, problem, steps))

    def instance_kill(self, project, name):
        signal = (self.body or {}).get("signal", "KILL")
        instance = self.find(name)
        self.state.signals.append((name, signal))
        instance.input.put(SIGNALS[signal])
        self.reply(204)

    def instance_wait(self, project, name):
        instance = self.find(name)
        instance.done.wait(5)
        self.reply(200, {"exit_code": instance.json["status"]["exit_code"], "oom_killed": False})

    def instance_attach(self, project, name):
        instance = self.find(name)
        ws = WebSocket(self, instance.sockets)
        ws.feed(instance)
        if ws in instance.sockets:
            instance.sockets.remove(ws)

    def instance_exec(self, project, name):
        instance = self.find(name)
        if instance.json["status"]["state"] != "running":
            raise Problem(409, "state", f"instance {name}", "it does not run", f"start it with: trine start {name}")
        ws = WebSocket(self)
        program = Exec(ws, self.query)
        threading.Thread(target=run_program, args=(program, self.query["args"]), daemon=True).start()
        ws.feed(program)

    def instance_logs(self, project, name):
        self.find(name)
        self.chunks("text/plain", [b"2026-11-21T09:44:00.100Z stdout F first\n2026-11-21T09:44:00.2", b"00Z stderr F oops\n",
                                   b"2026-11-21T09:44:00.300Z stdout P one ", b"line\n2026-11-21T09:44:00.300Z stdout F , joined\n"])

    def instance_stats(self, project, name):
        self.find(name)
        self.state.count += 1
        self.reply(200, {"time": NOW[:-4] + f"{self.state.count % 1000:03}Z", "name": name, "project": project,
                         "cpu_usage_ns": self.state.count * 500000, "memory_bytes": 1048576, "memory_max_bytes": None, "pids": 3,
                         "io_read_bytes": 0, "io_write_bytes": 4096})

    def instance_top(self, project, name):
        self.reply(200, {"pids": [{"pid": 4711, "ppid": 1, "user": "root", "command": "sleep\x1b[31m 9", "cpu_ns": 1500000000,
                                   "memory_bytes": 1024}]})

    def image_list(self):
        self.reply(200, {"items": self.state.images, "revision": 7})

    def image_get(self, name):
        for image in self.state.images:
            if name in image["names"] or name + ":latest" in image["names"] or name == image["id"]:
                return self.reply(200, image)
        raise Problem(404, "not-found", f"image {name}", "there is none of this name")

    def image_delete(self, name):
        self.reply(200, {"removed_names": [name + ":latest"], "removed_id": IMAGE_ID})

    def image_tag(self, name):
        self.state.images[0]["names"].append(self.body["name"])
        self.reply(200, self.state.images[0])

    def image_import(self):
        if self.query.get("name") == ["full"]:
            self.rfile.read(10)
            self.close_connection = True
            raise Problem(507, "no-space", "image full", "no space left on /var/lib/trine", "remove images with: trine image prune")
        data = self.read_body()
        self.state.uploads.append((hashlib.sha256(data).hexdigest(), len(data), self.headers.get("Transfer-Encoding")))
        name = self.query.get("name", ["imported:latest"])[0]
        steps = [("for ever", 1, None)] if name == "forever" else [("unpacking", 1048576, 3145728), ("checking", 0, None)]
        self.reply(202, self.operation("image.import", name, {"images": [{**self.state.images[0], "names": [name]}]}, None, steps))

    def image_build(self):
        self.reply(202, self.operation("image.build", "x", {"images": [{**self.state.images[0], "names": [json.dumps(self.body)]}]}))

    def image_prune(self):
        self.reply(202, self.operation("image.prune", "", {"removed": [], "freed_bytes": 12}))

    def image_export(self, name):
        if name == "broken":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"x" * 1000)
            self.close_connection = True
            return
        self.chunks("application/x-tar", [b"tar" * 1000] * 100)

    def volumes(self, project):
        self.reply(200, {"items": list(self.state.volumes.values()), "revision": 7})

    def volume_create(self, project):
        volume = {"kind": "volume", "id": self.state.new_id(), "project": project, "labels": {}, "driver": "directory",
                  "used_by": ["a, b", 'say "x"'], "created_at": NOW, "revision": 1, **self.body}
        self.state.volumes[volume["name"]] = volume
        self.reply(201, volume)

    def volume_get(self, project, name):
        if name not in self.state.volumes:
            raise Problem(404, "not-found", f"volume {name}", "there is none of this name")
        self.reply(200, self.state.volumes[name])

    def volume_delete(self, project, name):
        self.state.volumes.pop(name, None)
        self.reply(204)

    def networks(self, project):
        self.reply(200, {"items": [{"kind": "network", "name": n, "driver": n, "builtin": True} for n in ("none", "host")]})

    def network_create(self, project):
        raise Problem(501, "unsupported", "network x", "network drivers have not joined yet")

    def project_list(self):
        self.reply(200, {"items": list(self.state.projects.values()), "revision": 7})

    def project_create(self):
        self.state.projects[self.body["name"]] = {**self.state.projects["default"], **self.body}
        self.reply(201, self.state.projects[self.body["name"]])

    def project_get(self, name):
        self.reply(200, self.state.projects[name])

    def project_patch(self, name):
        self.state.projects[name].update(patched=self.body)
        self.reply(200, self.state.projects[name])

    def project_delete(self, name):
        if name == "default":
            raise Problem(409, "state", "project default", "it cannot be removed")
        self.state.projects.pop(name)
        self.reply(204)

    def operation_list(self):
        self.reply(200, {"items": [{k: v for k, v in op.items() if k not in ("final", "steps")} for op in self.state.operations.values()]})

    def operation_get(self, number):
        if number not in self.state.operations:
            raise Problem(404, "not-found", f"operation {number}", "there is none of this id")
        if "wait" in self.query:
            time.sleep(0.02)
        self.reply(200, self.operation_step(self.state.operations[number]))

    def operation_cancel(self, number):
        op = self.state.operations[number]
        op.update(state="cancelled", finished_at=NOW)
        self.reply(200, self.operation_step(op))

    def events(self):
        items = [{"sequence": n, "time": NOW, "type": t, "object": {"kind": "instance", "project": "default", "name": "web", "id": ""},
                  "detail": {}} for n, t in ((1, "instance.created"), (2, "instance.started"))]
        if "follow" not in self.query:
            return self.reply(200, {"items": items, "revision": 7})
        return self.chunks("text/event-stream", [f"id: {e['sequence']}\nevent: {e['type']}\ndata: {json.dumps(e)}\n\n".encode()
                                                 for e in items])

    def metrics(self):
        self.reply(200, b"# TYPE trine_instances gauge\ntrine_instances 1\n# EOF\n", "application/openmetrics-text")

    def garbage(self):
        self.wfile.write(b"SMTP ready\r\n\r\n")
        self.close_connection = True


P, N = "/v1/projects/([^/]+)", "([^/]+)"
ROUTES = [
    ("GET", "/v1/version", Handler.version), ("GET", "/v1/node", Handler.node), ("GET", "/metrics", Handler.metrics),
    ("GET", "/v1/instances", Handler.instance_list),
    ("GET", f"{P}/instances", Handler.instance_list), ("POST", f"{P}/instances", Handler.instance_create),
    ("GET", f"{P}/instances/{N}", Handler.instance_get), ("PATCH", f"{P}/instances/{N}", Handler.instance_patch),
    ("DELETE", f"{P}/instances/{N}", Handler.instance_delete),
    ("POST", f"{P}/instances/{N}/(start|stop|restart|pause|resume)", Handler.instance_verb),
    ("POST", f"{P}/instances/{N}/kill", Handler.instance_kill), ("POST", f"{P}/instances/{N}/wait", Handler.instance_wait),
    ("GET", f"{P}/instances/{N}/attach", Handler.instance_attach), ("GET", f"{P}/instances/{N}/exec", Handler.instance_exec),
    ("GET", f"{P}/instances/{N}/logs", Handler.instance_logs), ("GET", f"{P}/instances/{N}/stats", Handler.instance_stats),
    ("GET", f"{P}/instances/{N}/top", Handler.instance_top),
    ("GET", "/v1/images", Handler.image_list), ("POST", "/v1/images/import", Handler.image_import),
    ("POST", "/v1/images/build", Handler.image_build), ("POST", "/v1/images/prune", Handler.image_prune),
    ("GET", f"/v1/images/{N}", Handler.image_get), ("DELETE", f"/v1/images/{N}", Handler.image_delete),
    ("POST", f"/v1/images/{N}/tag", Handler.image_tag), ("GET", f"/v1/images/{N}/export", Handler.image_export),
    ("GET", f"{P}/volumes", Handler.volumes), ("POST", f"{P}/volumes", Handler.volume_create),
    ("GET", f"{P}/volumes/garbage", lambda self, project: self.garbage()),
    ("GET", f"{P}/volumes/{N}", Handler.volume_get), ("DELETE", f"{P}/volumes/{N}", Handler.volume_delete),
    ("GET", f"{P}/networks", Handler.networks), ("POST", f"{P}/networks", Handler.network_create),
    ("GET", "/v1/projects", Handler.project_list), ("POST", "/v1/projects", Handler.project_create),
    ("GET", f"/v1/projects/{N}", Handler.project_get), ("PATCH", f"/v1/projects/{N}", Handler.project_patch),
    ("DELETE", f"/v1/projects/{N}", Handler.project_delete),
    ("GET", "/v1/operations", Handler.operation_list), ("GET", f"/v1/operations/{N}", Handler.operation_get),
    ("DELETE", f"/v1/operations/{N}", Handler.operation_cancel), ("GET", "/v1/events", Handler.events),
]


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path):
        self.state = State()
        super().__init__(path, Handler)

    def handle_error(self, request, client_address):
        pass  # clients that went away are part of the tests


def serve(path):
    if os.path.exists(path):
        os.unlink(path)
    server = Server(path)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


if __name__ == "__main__":
    import sys
    serve(sys.argv[1])
    threading.Event().wait()
