# SPDX-License-Identifier: Apache-2.0
"""api.h and api.c: the operations, and the schemas that validate.c reads."""
import json
import re

from . import patterns
from .c_text import constant, flag, string

NO_LIMIT = "UINT32_MAX"


def words_array(words):
    return "(const char *const[]){" + ", ".join([string(w) for w in words] + ["NULL"]) + "}"


class Nodes:
    """Schema tables; each type once by name, everything else by number."""

    def __init__(self, schemas):
        self.schemas, self.out, self.forward, self.done, self.count = schemas, [], [], {}, 0

    def named(self, name):
        if name not in self.done:
            self.done[name] = f"type_{name}"
            self.forward.append(f"static const struct api_schema type_{name};")
            self.write(f"type_{name}", self.schemas.types[name])
        return self.done[name]

    def node(self, schema):
        """The C name of the table of a schema."""
        if "$ref" in schema:
            return self.named(schema["$ref"])
        nullable = "anyOf" in schema
        if nullable:
            schema = dict(self.schemas.resolve("", schema["anyOf"][0]))
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            schema["type"] = types + ["null"]
        key = json.dumps({k: v for k, v in schema.items() if k not in ("description", "default", "examples")}, sort_keys=True)
        if key not in self.done:
            self.done[key] = f"node_{self.count}"
            self.count += 1
            self.write(self.done[key], schema)
        return self.done[key]

    def pattern(self, name, text):
        rows = []
        for chosen, low, high in patterns.parse(text):
            bits = [sum(1 << (b & 31) for b in chosen if b >> 5 == w) for w in range(8)]
            high = NO_LIMIT if high == patterns.NO_END else high
            rows.append("    {.bytes = {" + ", ".join(f"{b:#x}" for b in bits) + f"}}, .min = {low}, .max = {high}}},")
        self.out += [f"// {text}", f"static const struct api_class {name}_pattern[] = {{", *rows, "};"]
        return len(rows)

    def properties(self, name, schema):
        rows = [f"    {{.name = {string(n)}, .schema = &{self.node(s)}, .required = {flag(n in schema.get('required', []))}}},"
                for n, s in self.schemas.properties(schema).items()]
        self.out += [f"static const struct api_property {name}_properties[] = {{", *rows, "};"]
        return len(rows)

    def write(self, name, schema):
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        f = {"types": " | ".join("API_" + t.upper() for t in types)}
        if "x-expected" in schema:
            f["expected"] = string(schema["x-expected"])
        if "enum" in schema or "const" in schema:
            f["words"] = words_array(schema.get("enum", [schema.get("const")]))
        if "pattern" in schema:
            f["n_pattern"], f["pattern"] = self.pattern(name, schema["pattern"]), f"{name}_pattern"
        if "items" in schema:
            f["items"] = "&" + self.node(schema["items"])
        if "propertyNames" in schema:
            f["names"] = "&" + self.node({"type": "string", **schema["propertyNames"]})
        if schema.get("additionalProperties"):
            rest = schema["additionalProperties"]
            f["rest"] = "&schema_any" if rest is True else "&" + self.node(rest)
        if "properties" in schema:
            f["n_properties"], f["properties"] = self.properties(name, schema), f"{name}_properties"
        low = [schema[k] for k in ("minLength", "minItems") if k in schema]
        high = [schema[k] for k in ("maxLength", "maxItems", "maxProperties") if k in schema]
        f["min_size"], f["max_size"] = low[0] if low else 0, high[0] if high else NO_LIMIT
        f["minimum"], f["maximum"] = schema.get("minimum", "-HUGE_VAL"), schema.get("maximum", "HUGE_VAL")
        if "format" in schema:
            f["time"] = "true"
        self.out.append(f"static const struct api_schema {name} = {{" + ", ".join(f".{k} = {v}" for k, v in f.items()) + "};")


def header(api):
    out = ["// SPDX-License-Identifier: Apache-2.0", "// Generated from api/: the operations of the API.",
           "#ifndef TRINE_API_API_H", "#define TRINE_API_API_H", "", '#include "api/operation.h"', "", "enum api_op {"]
    out += [f"    API_{constant(op['id'])}," for op in api.operations]
    out += ["    API_OP_COUNT,", "};", "", "extern const struct api_operation api_operations[API_OP_COUNT];", "",
            "// The types by name (\"InstanceCreate\"), for tests and for whatever else checks JSON; NULL when unknown.",
            "const struct api_schema *api_schema_by_name(const char *name);", "",
            "// The API's description (OpenAPI 3.1), as served and installed.", "extern const char api_openapi[];",
            "extern const unsigned long api_openapi_size;", "", "#endif"]
    return "\n".join(out) + "\n"


def parameters(nodes, name, rows):
    if not rows:
        return "NULL", 0
    lines = [f"    {{.name = {string(p['name'])}, .schema = &{nodes.node(p['schema'])}, .required = {flag(p.get('required'))}}}," for p in rows]
    nodes.out += [f"static const struct api_parameter {name}[] = {{", *lines, "};"]
    return name, len(rows)


def result(nodes, op):
    for status in sorted(op["responses"]):
        r = op["responses"][status]
        if "type" in r:
            return "&" + nodes.named(r["type"])
        if "list" in r:
            return "&" + nodes.node(list_schema(r["list"]))
    return "NULL"


def list_schema(name):
    return {"type": "object", "additionalProperties": False, "required": ["items"],
            "properties": {"items": {"type": "array", "items": {"$ref": name}, "description": "What there is."},
                           "revision": {"type": "integer", "minimum": 0, "description": "Of the whole state; grows with every change."}}}


def operation(api, nodes, op):
    c = constant(op["id"]).lower()
    named = [{"name": n, "required": True, **api.parameters[n]} for n in re.findall(r"\{([a-z]+)\}", op["path"])]
    path, n_path = parameters(nodes, f"path_{c}", named)
    query, n_query = parameters(nodes, f"query_{c}", op.get("query", []))
    body = "&" + nodes.named(op["body"]["type"]) if "body" in op else "NULL"
    f = {"id": string(op["id"]), "path": string(op["path"]), "summary": string(op["summary"]), "path_parameters": path,
         "n_path_parameters": n_path, "query": query, "n_query": n_query, "body": body, "result": result(nodes, op),
         "method": f"API_{op['method']}", "stream": f"API_STREAM_{op['stream'].upper()}",
         "body_required": flag(op.get("body", {}).get("required")), "etag": flag(op.get("etag"))}
    return f"    [API_{constant(op['id'])}] = {{" + ", ".join(f".{k} = {v}" for k, v in f.items()) + "},"


def source(api, openapi):
    nodes = Nodes(api.schemas)
    rows = [operation(api, nodes, op) for op in api.operations]
    for name in api.schemas.types:
        nodes.named(name)
    types = [f"    {{{string(n)}, &type_{n}}}," for n in sorted(api.schemas.types)]
    data = openapi.encode("utf-8")
    hexes = ["    " + ",".join(str(b) for b in data[i:i + 32]) + "," for i in range(0, len(data), 32)]
    out = ["// SPDX-License-Identifier: Apache-2.0", "// Generated from api/.", '#include "api/api.h"', "",
           "#include <math.h>", "#include <string.h>", "",
           "static const struct api_schema schema_any __attribute__((unused)) = {.types = 127, .items = &schema_any, .rest = &schema_any,",
           "    .max_size = UINT32_MAX, .minimum = -HUGE_VAL, .maximum = HUGE_VAL};", *nodes.forward, *nodes.out, "",
           "const struct api_operation api_operations[API_OP_COUNT] = {", *rows, "};", "",
           "static const struct {", "    const char *name;", "    const struct api_schema *schema;", "} types[] = {", *types, "};", "",
           "const struct api_schema *api_schema_by_name(const char *name) {",
           "    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)",
           "        if (!strcmp(types[i].name, name)) return types[i].schema;", "    return NULL;", "}", "",
           "const char api_openapi[] = {", *hexes, "    0};", "const unsigned long api_openapi_size = sizeof(api_openapi) - 1;"]
    return "\n".join(out) + "\n"
