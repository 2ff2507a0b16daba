# SPDX-License-Identifier: Apache-2.0
"""Reads api/ and refuses what is not as api/README.md says: every product is made from what load() returns."""
import json
import pathlib
import re

from . import patterns

METHODS = ["GET", "POST", "PATCH", "DELETE"]
STREAMS = ["none", "upload", "download", "sse", "text", "websocket"]
FLAG_TYPES = ["bool", "string", "int", "number", "size", "duration", "list", "map"]
COMPLETIONS = ["none", "images", "instances", "volumes", "networks", "projects", "operations", "commands", "signals",
               "files", "words"]
JSON_TYPES = ["object", "array", "string", "integer", "number", "boolean", "null"]
SCHEMA_KEYS = {"type", "description", "properties", "required", "enum", "const", "pattern", "minLength", "maxLength",
               "minimum", "maximum", "items", "minItems", "maxItems", "additionalProperties", "maxProperties",
               "propertyNames", "readOnly", "$ref", "allOf", "anyOf", "default", "examples", "format", "x-expected"}


class Bad(Exception):
    """The input is wrong; the text names the file and what to change."""


def pairs(items):
    out = {}
    for key, value in items:
        if key in out:
            raise ValueError(f"member \"{key}\" stands there twice")
        out[key] = value
    return out


def read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=pairs)
    except (ValueError, OSError) as e:
        raise Bad(f"{path.name}: {e}") from None


def shape(where, value, required, optional=()):
    """value is an object with these members, each of the type that is named."""
    if not isinstance(value, dict):
        raise Bad(f"{where}: not an object")
    known = {**required, **dict(optional)}
    for key in value:
        if key not in known:
            raise Bad(f"{where}: unknown member \"{key}\"")
        if not isinstance(value[key], known[key]) or (known[key] is int and isinstance(value[key], bool)):
            raise Bad(f"{where}: member \"{key}\" is not of type {getattr(known[key], '__name__', known[key])}")
    for key in required:
        if key not in value:
            raise Bad(f"{where}: member \"{key}\" is missing")


def one_of(where, value, words):
    if value not in words:
        raise Bad(f"{where}: \"{value}\" is not one of {', '.join(words)}")


class Schemas:
    """The types by name, with references followed and allOf merged."""

    def __init__(self, types):
        self.types = types

    def resolve(self, where, schema):
        if "$ref" in schema:
            if schema["$ref"] not in self.types:
                raise Bad(f"{where}: no type \"{schema['$ref']}\" in api/types")
            return self.types[schema["$ref"]]
        return schema

    def check(self, where, schema, top=False):
        if not isinstance(schema, dict):
            raise Bad(f"{where}: a schema is an object")
        for key in schema:
            if key not in SCHEMA_KEYS:
                raise Bad(f"{where}: \"{key}\" is not a keyword that the generator knows")
        if top and "description" not in schema:
            raise Bad(f"{where}: a type has a description")
        if "$ref" in schema:
            self.resolve(where, schema)
            if set(schema) - {"$ref", "description", "default"}:
                raise Bad(f"{where}: beside \"$ref\" only a description and a default are possible")
            return
        if "anyOf" in schema:
            options = schema["anyOf"]
            if len(options) != 2 or "$ref" not in options[0] or options[1] != {"type": "null"}:
                raise Bad(f"{where}: anyOf is for [{{\"$ref\": T}}, {{\"type\": \"null\"}}] alone")
            self.resolve(where, options[0])
            return
        self.check_plain(where, schema)

    def check_plain(self, where, schema):
        types = schema.get("type")
        types = types if isinstance(types, list) else [types]
        for t in types:
            one_of(f"{where}: type", t, JSON_TYPES)
        for key in ("items",):
            if (key in schema) != ("array" in types):
                raise Bad(f"{where}: \"items\" belongs to arrays, and to each of them")
        if ("properties" in schema or "additionalProperties" in schema) != ("object" in types):
            raise Bad(f"{where}: an object says its properties or additionalProperties, and nothing else does")
        if "object" in types and "properties" in schema and schema.get("additionalProperties") is not False:
            raise Bad(f"{where}: \"additionalProperties\" of an object with properties is false: unknown members are refused")
        for name, sub in schema.get("properties", {}).items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise Bad(f"{where}.{name}: members are snake_case")
            self.check(f"{where}.{name}", sub)
        for base in schema.get("allOf", []):
            if set(base) != {"$ref"} or "properties" not in self.resolve(where, base):
                raise Bad(f"{where}: allOf holds references to types with properties")
        for name in schema.get("required", []):
            if name not in self.properties(schema):
                raise Bad(f"{where}: required member \"{name}\" is not among the properties")
        if "items" in schema:
            self.check(f"{where}[]", schema["items"])
        if isinstance(schema.get("additionalProperties"), dict):
            self.check(f"{where}.*", schema["additionalProperties"])
        if "propertyNames" in schema:
            self.check(f"{where} (names)", {"type": "string", **schema["propertyNames"]})
        if "pattern" in schema:
            if "x-expected" not in schema:
                raise Bad(f"{where}: a pattern needs \"x-expected\", which says it in words")
            try:
                patterns.parse(schema["pattern"])
            except ValueError as e:
                raise Bad(f"{where}: pattern {schema['pattern']}: {e}") from None
        if schema.get("format", "date-time") != "date-time":
            raise Bad(f"{where}: the only format is date-time")
        self.check_default(where, schema)

    def check_default(self, where, schema):
        if "default" not in schema:
            return
        value = schema["default"]
        fits = {"string": str, "integer": int, "number": (int, float), "boolean": bool}.get(schema["type"])
        if not fits or not isinstance(value, fits) or isinstance(value, bool) != (schema["type"] == "boolean"):
            raise Bad(f"{where}: the default is not of the type {schema['type']}")
        if value not in schema.get("enum", [value]):
            raise Bad(f"{where}: the default is not among the words")

    def properties(self, schema):
        """Own properties, then those of allOf."""
        out = dict(schema.get("properties", {}))
        for base in schema.get("allOf", []):
            out.update(self.properties(self.resolve("allOf", base)))
        return out


class Api:
    def __init__(self):
        self.schemas, self.operations, self.commands, self.parameters = None, [], [], {}
        self.global_flags, self.groups, self.error_kinds = [], {}, {}


def error_kinds(path):
    """kind word -> (HTTP status, title, exit code), from the one table in base/err.h."""
    found = re.findall(r'X\([A-Z_]+, "([a-z-]+)", (\d+), (\d+), \w+, "([^"]+)"\)', path.read_text(encoding="utf-8"))
    if not found:
        raise Bad(f"{path}: no error kinds found")
    return {word: (int(status), title, int(code)) for word, code, status, title in found}


def check_parameter(api, where, p):
    shape(where, p, {"name": str, "schema": dict, "description": str}, {"required": bool})
    api.schemas.check(where, p["schema"])
    plain = api.schemas.resolve(where, p["schema"])
    if plain["type"] == "array":
        plain = api.schemas.resolve(where, plain["items"])
    if plain["type"] not in ("string", "integer", "boolean"):
        raise Bad(f"{where}: a parameter is a string, an integer, a boolean or an array of them")


def check_operation(api, name, op):
    shape(name, op, {"id": str, "method": str, "path": str, "summary": str, "description": str, "responses": dict,
                     "errors": list, "stream": str, "cli": dict}, {"query": list, "body": dict, "etag": bool})
    if name != op["id"] + ".json" or not re.fullmatch(r"[a-z]+\.[a-z_]+", op["id"]):
        raise Bad(f"{name}: the file's name is the id, noun.verb, and .json")
    one_of(f"{name}: method", op["method"], METHODS)
    one_of(f"{name}: stream", op["stream"], STREAMS)
    if not op["summary"] or op["summary"].endswith("."):
        raise Bad(f"{name}: the summary is one line without a full stop")
    if not re.fullmatch(r"(/([a-z0-9.]+|\{[a-z]+\}))+", op["path"]):
        raise Bad(f"{name}: path {op['path']} is not of the form /word/{{parameter}}")
    for parameter in re.findall(r"\{([a-z]+)\}", op["path"]):
        if parameter not in api.parameters:
            raise Bad(f"{name}: path parameter {{{parameter}}} is not in parameters.json")
    names = [p.get("name") for p in op.get("query", [])]
    if len(set(names)) != len(names):
        raise Bad(f"{name}: a query parameter stands there twice")
    for p in op.get("query", []):
        check_parameter(api, f"{name}: query {p.get('name')}", p)
    if "body" in op:
        shape(f"{name}: body", op["body"], {"type": str, "required": bool})
        if op["method"] == "GET" or op["stream"] in ("upload", "websocket"):
            raise Bad(f"{name}: this sort of operation takes no JSON body")
        api.schemas.resolve(f"{name}: body", {"$ref": op["body"]["type"]})
    for kind in op["errors"]:
        one_of(f"{name}: errors", kind, list(api.error_kinds))
    if not op["responses"]:
        raise Bad(f"{name}: an operation has at least one response")
    for status, r in op["responses"].items():
        where = f"{name}: response {status}"
        shape(where, r, {"description": str}, {"type": str, "list": str, "media": str, "also": str})
        if not re.fullmatch(r"[12]\d\d", status) or len(set(r) & {"type", "list", "media"}) > 1:
            raise Bad(f"{where}: a status 1xx or 2xx with one of type, list, media or none")
        if "type" in r or "list" in r:
            api.schemas.resolve(where, {"$ref": r.get("type", r.get("list"))})


def field_exists(api, op, field):
    """Does "body.limits.cpus", "query.force" or "path.instance" name something of the operation?"""
    place, _, rest = field.partition(".")
    if place == "path":
        return rest in api.parameters
    if op is None:
        return False
    if place == "query":
        return rest in [p["name"] for p in op.get("query", [])]
    if place != "body" or "body" not in op:
        return False
    schema = {"$ref": op["body"]["type"]}
    for part in rest.split("."):
        schema = api.schemas.properties(api.schemas.resolve(field, schema)).get(part)
        if schema is None:
            return False
    return True


def check_input(api, where, op, x):
    one_of(f"{where}: complete", x.get("complete", "none"), COMPLETIONS)
    if ("words" in x) != (x.get("complete") == "words"):
        raise Bad(f"{where}: \"words\" go with \"complete\": \"words\"")
    if "field" in x and not field_exists(api, op, x["field"]):
        raise Bad(f"{where}: the operation has no {x['field']}")
    if not x["doc"].endswith("."):
        raise Bad(f"{where}: doc is a sentence with a full stop")


def check_flags(api, where, op, flags, taken):
    for fl in flags:
        shape(f"{where}: a flag", fl, {"long": str, "type": str, "doc": str},
              {"short": str, "placeholder": str, "field": str, "complete": str, "words": list})
        at = f"{where}: --{fl['long']}"
        one_of(f"{at}: type", fl["type"], FLAG_TYPES)
        if not re.fullmatch(r"[a-z][a-z0-9-]+", fl["long"]) or not re.fullmatch(r"[a-zA-Z]?", fl.get("short", "")):
            raise Bad(f"{at}: a long name is lower-case words, a short one a letter")
        if ("placeholder" in fl) != (fl["type"] != "bool"):
            raise Bad(f"{at}: a placeholder belongs to each flag that takes a value, and only to those")
        for n in filter(None, (fl["long"], fl.get("short"))):
            if n in taken:
                raise Bad(f"{at}: \"{n}\" is taken already")
            taken.add(n)
        check_input(api, at, op, fl)


def check_command(api, where, cmd, op):
    if not re.fullmatch(r"[a-z]+( [a-z]+)?", cmd["command"]):
        raise Bad(f"{where}: a command is one or two words")
    if len(cmd["command"].split()) == 2 and cmd["command"].split()[0] not in api.groups:
        raise Bad(f"{where}: group \"{cmd['command'].split()[0]}\" is not in global.json")
    open_end = False
    for arg in cmd.get("args", []):
        shape(f"{where}: an argument", arg, {"name": str, "doc": str},
              {"field": str, "complete": str, "words": list, "optional": bool, "repeat": bool, "rest": bool})
        if open_end:
            raise Bad(f"{where}: nothing can stand behind an argument that repeats")
        open_end = arg.get("repeat", False)
        check_input(api, f"{where}: {arg['name']}", op, arg)
    taken = {n for fl in api.global_flags for n in (fl["long"], fl.get("short")) if n}
    check_flags(api, where, op, cmd.get("flags", []), taken)
    if not cmd.get("hidden") and not cmd.get("examples"):
        raise Bad(f"{where}: a command has an example")
    for e in cmd.get("examples", []):
        shape(f"{where}: an example", e, {"command": str, "doc": str})


CLI_PARTS = {"args": list, "flags": list, "examples": list, "description": str}


def collect_commands(api, folder):
    by_id = {op["id"]: op for op in api.operations}
    for op in api.operations:
        where = f"{op['id']}.json: cli"
        if set(op["cli"]) == {"see"}:
            continue
        shape(where, op["cli"], {"command": str}, {**CLI_PARTS, "summary": str})
        api.commands.append({"summary": op["summary"], "description": op["description"], **op["cli"], "op": op["id"]})
    for path in sorted((folder / "commands").glob("*.json")):
        cmd = read(path)
        shape(path.name, cmd, {"command": str, "summary": str},
              {**CLI_PARTS, "operation": str, "flags_from": str, "hidden": bool, "passthrough": str})
        if path.name != cmd["command"].replace(" ", "-") + ".json":
            raise Bad(f"{path.name}: the file's name is the command and .json")
        for key in ("operation", "flags_from"):
            if key in cmd and cmd[key] not in by_id:
                raise Bad(f"{path.name}: no operation \"{cmd[key]}\"")
        cmd = {"description": "", **cmd, "op": cmd.get("operation")}
        cmd["fields_of"] = cmd.get("flags_from", cmd["op"])
        if "flags_from" in cmd:
            cmd["flags"] = cmd.get("flags", []) + by_id[cmd["flags_from"]]["cli"].get("flags", [])
        api.commands.append(cmd)
    api.commands.sort(key=lambda c: c["command"])
    names = [c["command"] for c in api.commands]
    for name in names:
        if names.count(name) > 1:
            raise Bad(f"command \"{name}\" is made twice")
    for cmd in api.commands:
        check_command(api, f"command \"{cmd['command']}\"", cmd, by_id.get(cmd.get("fields_of", cmd["op"])))
    for op in api.operations:
        if "see" in op["cli"] and op["cli"]["see"] not in names:
            raise Bad(f"{op['id']}.json: cli.see: no command \"{op['cli']['see']}\"")


def load(folder, err_h):
    folder, api = pathlib.Path(folder), Api()
    api.error_kinds = error_kinds(pathlib.Path(err_h))
    types = {p.stem: read(p) for p in sorted((folder / "types").glob("*.json"))}
    types["ErrorKind"] = {"description": "What sort of error it is.", "type": "string", "enum": list(api.error_kinds)}
    api.schemas = Schemas(types)
    for name, schema in types.items():
        api.schemas.check(f"types/{name}.json", schema, top=True)
    api.parameters = read(folder / "parameters.json")
    for name, p in api.parameters.items():
        check_parameter(api, f"parameters.json: {name}", {"name": name, **p})
    top = read(folder / "global.json")
    shape("global.json", top, {"description": str, "flags": list, "groups": dict})
    api.global_flags, api.groups = top["flags"], top["groups"]
    check_flags(api, "global.json", None, api.global_flags, set())
    for path in sorted(folder.glob("*.json")):
        if path.name in ("parameters.json", "global.json"):
            continue
        op = read(path)
        check_operation(api, path.name, op)
        api.operations.append(op)
    routes = [(op["method"], re.sub(r"\{[a-z]+\}", "{}", op["path"])) for op in api.operations]
    for route in routes:
        if routes.count(route) > 1:
            raise Bad(f"two operations answer {route[0]} {route[1]}")
    collect_commands(api, folder)
    return api
