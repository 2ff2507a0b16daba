# SPDX-License-Identifier: Apache-2.0
"""openapi.json: the API's description for other people's tools (OpenAPI 3.1)."""
import json
import re

from .tables import list_schema


def reference(name):
    return {"$ref": f"#/components/schemas/{name}"}


def schema(api, node, top=False):
    """A schema in OpenAPI's form: references, allOf merged (unknown members are refused in each object)."""
    if "$ref" in node:
        return {**reference(node["$ref"]), **{k: v for k, v in node.items() if k != "$ref"}}
    out = {k: v for k, v in node.items() if k not in ("properties", "items", "allOf", "anyOf", "propertyNames", "additionalProperties")}
    if "anyOf" in node:
        out["anyOf"] = [schema(api, n) for n in node["anyOf"]]
    if "properties" in node:
        out["properties"] = {n: schema(api, s) for n, s in api.schemas.properties(node).items()}
    if "items" in node:
        out["items"] = schema(api, node["items"])
    if "propertyNames" in node:
        out["propertyNames"] = node["propertyNames"]
    if "additionalProperties" in node:
        rest = node["additionalProperties"]
        out["additionalProperties"] = schema(api, rest) if isinstance(rest, dict) else rest
    return out


def parameter(api, where, p):
    out = {"name": p["name"], "in": where, "description": p["description"], "schema": schema(api, p["schema"])}
    if where == "path" or p.get("required"):
        out["required"] = True
    if p["schema"].get("type") == "array":
        out["style"], out["explode"] = "form", True
    return out


def response(r):
    out = {"description": r["description"], "headers": {"Trine-Request-Id": {"$ref": "#/components/headers/Trine-Request-Id"}}}
    content = {}
    if "type" in r:
        content["application/json"] = {"schema": reference(r["type"])}
    elif "list" in r:
        content["application/json"] = {"schema": reference(r["list"] + "List")}
    elif "media" in r:
        content[r["media"]] = {"schema": {"type": "object"} if r["media"] == "application/json" else {"type": "string"}}
    if "also" in r:
        content[r["also"]] = {"schema": {"type": "string"}}
    if content:
        out["content"] = content
    return out


def responses(api, op):
    out = {status: response(r) for status, r in sorted(op["responses"].items())}
    kinds = {}
    for kind in ["invalid", "unauthenticated", *op["errors"]]:
        kinds.setdefault(str(api.error_kinds[kind][0]), []).append(kind)
    for status, words in sorted(kinds.items()):
        text = "; ".join(f"{api.error_kinds[w][1]} (kind {w})" for w in dict.fromkeys(words))
        out[status] = {"description": text + ".", "content": {"application/problem+json": {"schema": reference("Problem")}}}
    out["default"] = {"$ref": "#/components/responses/Problem"}
    return out


def operation(api, op):
    out = {"operationId": op["id"], "tags": [op["id"].split(".")[0]], "summary": op["summary"]}
    if op["description"]:
        out["description"] = op["description"]
    rows = [parameter(api, "path", {"name": n, **api.parameters[n]}) for n in re.findall(r"\{([a-z]+)\}", op["path"])]
    rows += [parameter(api, "query", p) for p in op.get("query", [])]
    if op.get("etag") and op["method"] in ("PATCH", "DELETE"):
        rows.append({"name": "If-Match", "in": "header", "description": "Only while the object has this ETag; else the answer is 412.", "schema": {"type": "string"}})
    if rows:
        out["parameters"] = rows
    if "body" in op:
        media = ["application/json"] + (["application/merge-patch+json"] if op["method"] == "PATCH" else [])
        out["requestBody"] = {"required": op["body"]["required"], "content": {m: {"schema": reference(op["body"]["type"])} for m in media}}
    elif op["stream"] == "upload":
        out["requestBody"] = {"required": True, "content": {"application/octet-stream": {}, "application/x-tar": {}}}
    out["responses"] = responses(api, op)
    return out


def lists(api):
    """The lists that operations answer with, by the name of what they hold."""
    names = sorted({r["list"] for op in api.operations for r in op["responses"].values() if "list" in r})
    return {name + "List": {"description": f"A list: {api.schemas.types[name]['description'][0].lower()}{api.schemas.types[name]['description'][1:]}",
                            **schema(api, list_schema(name))} for name in names}


def reachable(schemas, paths):
    """Only what an operation leads to: what other types take over with allOf is written out there."""
    wanted, found = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(paths)) + ["Problem"], {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = schemas[name]
            wanted += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schemas[name]))
    return dict(sorted(found.items()))


def document(api, version):
    paths = {}
    for op in api.operations:
        paths.setdefault(op["path"], {})[op["method"].lower()] = operation(api, op)
    tags = sorted({op["id"].split(".")[0] for op in api.operations})
    schemas = {**{n: schema(api, s) for n, s in api.schemas.types.items()}, **lists(api)}
    doc = {
        "openapi": "3.1.0",
        "info": {"title": "Trine", "version": version, "summary": "One machine, virtualized: execution, storage, network.",
                 "description": "Served on a unix socket, and over HTTPS where the daemon is asked to. Members that an object does not have are refused, and so are unknown query parameters.",
                 "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/", "description": "The daemon that gave this document."}],
        "security": [{"token": []}, {}],
        "tags": [{"name": t, "description": f"Operations on: {t}."} for t in tags],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": reachable(schemas, paths),
            "headers": {"Trine-Request-Id": {"description": "Names the request in the daemon's log.", "schema": {"type": "string"}}},
            "responses": {"Problem": {"description": "What went wrong.", "content": {"application/problem+json": {"schema": reference("Problem")}}}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "Over HTTPS. On the unix socket the kernel says who asks."}}}}
    return json.dumps(doc, ensure_ascii=False, separators=(",", ":"))
