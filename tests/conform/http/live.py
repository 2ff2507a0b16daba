# SPDX-License-Identifier: Apache-2.0
"""A daemon in a folder of its own, asked over its socket; every answer is held against the description that it serves."""
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import urllib.parse


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("trine", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def is_type(value, word):
    fits = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    return isinstance(value, fits[word]) and (word == "boolean" or not isinstance(value, bool))


def faults(document, schema, value, at="$"):
    """What of the value is not as the schema says; the subset of JSON Schema that api/ uses."""
    if "$ref" in schema:
        return faults(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value, at)
    if "anyOf" in schema:
        return [] if any(not faults(document, s, value, at) for s in schema["anyOf"]) else [f"{at}: none of anyOf"]
    types = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    if types != [None] and not any(is_type(value, t) for t in types):
        return [f"{at}: {json.dumps(value)[:60]} is not {types}"]
    out = []
    if "const" in schema and value != schema["const"] or "enum" in schema and value not in schema["enum"]:
        out.append(f"{at}: {value!r} is not a word of it")
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value, re.S):
        out.append(f"{at}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, list):
        for i, item in enumerate(value):
            out += faults(document, schema["items"], item, f"{at}[{i}]")
    if isinstance(value, dict):
        out += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            sub = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
            if sub is False:
                out.append(f"{at}: {name} is not described")
            elif isinstance(sub, dict):
                out += faults(document, sub, member, f"{at}.{name}")
    return out


class Live:
    def __init__(self, daemon):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="trine-live-"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "run/api.sock"
        ready, told = os.pipe()
        self.process = subprocess.Popen(
            [daemon, "--state", self.folder / "state", "--run", self.folder / "run", "--log", self.folder / "log", "--ready-fd", str(told)],
            pass_fds=[told], env={"ASAN_OPTIONS": "detect_leaks=0",  # the daemon's seccomp filter denies what that needs
                                  **os.environ, "TRINE_LIBEXEC": str(pathlib.Path(daemon).resolve().parent)})
        os.close(told)
        if os.read(ready, 1) != b"1":
            raise RuntimeError((self.folder / "log").read_text())
        os.close(ready)
        self.asked = set()
        self.document = json.loads(self.raw("GET", "/v1/openapi.json")[2])
        self.operations = {op["operationId"]: (path, method.upper(), op)
                           for path, item in self.document["paths"].items() for method, op in item.items()}

    def close(self):
        self.process.terminate()
        code = self.process.wait(20)
        shutil.rmtree(self.folder)
        if code:
            raise RuntimeError(f"the daemon ended with {code}")

    def raw(self, method, path, body=None, headers=()):
        connection = Connection(self.socket)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def ask(self, asked, body=None, query=None, headers=None, **names):
        """Asks an operation by its id and checks the answer. (status, JSON or text)"""
        path, method, described = self.operations[asked]
        self.asked.add(asked)
        for name in re.findall(r"\{(\w+)\}", path):
            path = path.replace("{" + name + "}", urllib.parse.quote(names.get(name, "default"), safe=""))
        headers = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        query = "?" + urllib.parse.urlencode(query, doseq=True) if query else ""
        status, fields, content = self.raw(method, path + query, body, headers)
        responses = described["responses"]
        response = responses.get(str(status), responses["default"])
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        media = (fields.get("Content-Type") or "").split(";")[0]
        if content and media not in response.get("content", {}):
            raise AssertionError(f"{asked}: {status} with {media} is not described")
        for field in ("Trine-Request-Id", "Cache-Control", "X-Content-Type-Options"):
            if field not in fields:
                raise AssertionError(f"{asked}: the answer has no {field}")
        if not media.endswith("json"):
            return status, content
        value = json.loads(content)
        wrong = faults(self.document, response["content"][media]["schema"], value)
        if wrong:
            raise AssertionError(f"{asked}: {status}: " + "; ".join(wrong[:5]))
        return status, value
