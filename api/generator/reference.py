# SPDX-License-Identifier: Apache-2.0
"""api.md: the API's reference page."""
import json


INTRODUCTION = """# The API of Trine {version}

HTTP/1.1 with JSON, on a unix socket, or over HTTPS with `Authorization: Bearer TOKEN`. The same text as OpenAPI 3.1:
`GET /v1/openapi.json`.

- Names of members are snake_case, with their units; times are RFC 3339 in UTC with milliseconds.
- Members and query parameters that are not listed here are refused, and so is a member that stands twice.
- Lists are `{{"items": […], "revision": N}}`. Single objects carry an `ETag`; give it as `If-Match` to change or remove
  an object only while nobody else has changed it.
- Errors are `application/problem+json` ([Problem](#problem)). Every answer carries `Trine-Request-Id`.
- What takes long is an [Operation](#operation): the answer is 202, or 200 when it ended within `?wait=SECONDS`.

```
curl --unix-socket /run/trine/api.sock http://trine/v1/node
```
"""


def kind_of(node):
    """"string", "list of [Mount](#mount)"…"""
    if "$ref" in node:
        return f"[{node['$ref']}](#{node['$ref'].lower()})"
    if "anyOf" in node:
        return kind_of(node["anyOf"][0]) + " or null"
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    words = ["list of " + kind_of(node["items"]) if t == "array" else t for t in types]
    if "enum" in node:
        words = ["`" + "` `".join(node["enum"]) + "`"]
    if "const" in node:
        words = [f"`{node['const']}`"]
    text = " or ".join(words)
    if "minimum" in node and "maximum" in node:
        text += f", {node['minimum']} to {node['maximum']}"
    if "x-expected" in node and "items" not in node:
        text += f": {node['x-expected']}"
    return text.replace("|", "\\|")


def row(name, node, required, description):
    text = description or node.get("description", "")
    if "default" in node:
        text += f" Default: `{json.dumps(node['default'])}`."
    return f"| `{name}`{' *' if required else ''} | {kind_of(node)} | {text.strip()} |".replace("\n", " ")


def operation(api, op):
    out = [f"### {op['id']}", "", f"`{op['method']} {op['path']}` — {op['summary']}.", ""]
    if op["description"]:
        out += [op["description"], ""]
    if op.get("query"):
        out += ["| query | | |", "| --- | --- | --- |"]
        out += [row(p["name"], p["schema"], p.get("required"), p["description"]) for p in op["query"]] + [""]
    if "body" in op:
        out += [f"Body: [{op['body']['type']}](#{op['body']['type'].lower()}){'' if op['body']['required'] else ', optional'}.", ""]
    elif op["stream"] == "upload":
        out += ["Body: the bytes, of any size.", ""]
    for status, r in sorted(op["responses"].items()):
        what = f"[{r['type']}](#{r['type'].lower()}). " if "type" in r else f"list of [{r['list']}](#{r['list'].lower()}). " if "list" in r else f"`{r['media']}`. " if "media" in r else ""
        out.append(f"- {status}: {what}{r['description']}")
    if op["errors"]:
        out.append("- Errors: " + ", ".join(f"{k} ({api.error_kinds[k][0]})" for k in op["errors"]) + ".")
    cmd = op["cli"].get("command", op["cli"].get("see"))
    return out + [f"- Command: `trine {cmd}`.", ""]


def type_section(api, name, node):
    out = [f"### {name}", "", node["description"], ""]
    properties = api.schemas.properties(node) if "properties" in node else {}
    if not properties:
        return out + [f"{kind_of(node)}.", ""]
    out += ["| member | | |", "| --- | --- | --- |"]
    out += [row(n, s, n in node.get("required", []), s.get("description")) for n, s in properties.items()]
    return out + [""]


def page(api, version):
    out = [INTRODUCTION.format(version=version), "## Operations", ""]
    for op in api.operations:
        out += operation(api, op)
    out += ["## Types", "", "Members with * are always there, or must be given.", ""]
    for name, node in sorted(api.schemas.types.items()):
        out += type_section(api, name, node)
    out += ["## Kinds of errors", "", "| kind | status | |", "| --- | --- | --- |"]
    out += [f"| `{k}` | {status} | {title} |" for k, (status, title, _) in api.error_kinds.items()]
    return "\n".join(out) + "\n"
