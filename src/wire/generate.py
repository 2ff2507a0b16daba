#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From messages.json: C structs, encoders and decoders of every message between Trine's processes.

Usage: generate.py messages.json OUT.h OUT.c
"""
import json
import sys

C_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t", "i32": "int32_t",
           "i64": "int64_t", "bool": "bool", "string": "const char *", "strings": "struct wire_strings ",
           "bytes": "struct span "}
LIMITED = {"string", "strings", "bytes"}


def fail(text):
    sys.exit(f"messages.json: {text}")


def check(spec):
    ids, names = set(), set()
    for m in spec["messages"]:
        if m["id"] in ids or m["name"] in names:
            fail(f"message {m['name']}: id or name used twice")
        ids.add(m["id"])
        names.add(m["name"])
        for f in m["fields"]:
            if f["type"] not in C_TYPES:
                fail(f"message {m['name']}: field {f['name']} has unknown type {f['type']}")
            if (f["type"] in LIMITED) != ("max" in f):
                fail(f"message {m['name']}: field {f['name']}: 'max' belongs to string, strings and bytes, and only there")


def member(f):
    ctype = C_TYPES[f["type"]]
    text = f"    {ctype}{'' if ctype.endswith(('*', ' ')) else ' '}{f['name']};"
    return text + (f" // {f['doc']}" if "doc" in f else "")


def header(spec):
    out = ["// SPDX-License-Identifier: Apache-2.0",
           "// Generated from src/wire/messages.json: " + spec["doc"],
           "#ifndef TRINE_WIRE_MESSAGES_H", "#define TRINE_WIRE_MESSAGES_H", "",
           '#include "base/bytes.h"', '#include "base/err.h"', '#include "base/mem.h"', "",
           "#include <stdbool.h>", "", f"#define WIRE_VERSION {spec['version']}", "",
           "// A list of strings; decoded ones live in the arena. items may be NULL when count is 0.",
           "struct wire_strings {", "    const char *const *items;", "    size_t count;", "};", "",
           "enum wire_id {"]
    out += [f"    WIRE_{m['name'].upper()} = {m['id']}," for m in spec["messages"]]
    out += ["};", "", "const char *wire_id_name(uint16_t id); // \"?\" when unknown", "",
            "// Encode any message by its id. NULL strings travel as empty ones.",
            "// A field over its maximum is ERR_TOO_LARGE and nothing is sent.",
            "int wire_encode(enum wire_id id, const void *message, struct writer *out, struct err *err);", ""]
    for m in spec["messages"]:
        out += [f"// {m.get('doc', '')}", f"struct wire_{m['name']} {{"]
        out += [member(f) for f in m["fields"]] or ["    char unused;"]
        out += ["};",
                f"int wire_decode_{m['name']}(struct span payload, struct arena *arena, struct wire_{m['name']} *ret,",
                "    struct err *err); // strings live in the arena and are never NULL", ""]
    out.append("#endif")
    return "\n".join(out) + "\n"


def encode_field(f):
    n, t = f["name"], f["type"]
    if t in ("u8", "bool"):
        return f"write_u8(w, m->{n});"
    if t in ("u16", "u32", "u64", "i32", "i64"):
        bits = t[1:]
        return f"write_le{bits}(w, (uint{bits}_t)m->{n});"
    call = {"string": "put_string", "strings": "put_strings", "bytes": "put_bytes"}[t]
    return f"if (({call}(w, m->{n}, {f['max']}, \"{n}\", err)) < 0) return err_code(err) ? err_code(err) : -E2BIG;"


def decode_field(f):
    n, t = f["name"], f["type"]
    if t == "bool":
        return f"ret->{n} = read_u8(&r) != 0;"
    if t == "u8":
        return f"ret->{n} = read_u8(&r);"
    if t in ("u16", "u32", "u64", "i32", "i64"):
        bits = t[1:]
        return f"ret->{n} = ({C_TYPES[t]})read_le{bits}(&r);"
    call = {"string": "get_string", "strings": "get_strings", "bytes": "get_bytes"}[t]
    return f"ret->{n} = {call}(&r, arena, {f['max']});"


def source(spec):
    out = ["// SPDX-License-Identifier: Apache-2.0", "// Generated from src/wire/messages.json.",
           '#include "wire/messages.h"', '#include "wire/codec_int.h"', "", "#include <errno.h>", ""]
    for m in spec["messages"]:
        name = m["name"]
        args = "struct writer *w, const struct wire_%s *m, struct err *err" % name
        out += [f"static int encode_{name}({args}) {{"]
        out += ["    " + encode_field(f) for f in m["fields"]] or ["    (void)w, (void)m, (void)err;"]
        out += ["    return 0;", "}", ""]
        out += [f"int wire_decode_{name}(struct span payload, struct arena *arena, struct wire_{name} *ret,",
                "    struct err *err) {", "    struct reader r = {.rest = payload};", "    (void)arena;",
                f"    *ret = (struct wire_{name}){{0}};"]
        out += ["    " + decode_field(f) for f in m["fields"]]
        out += [f"    return decode_end(&r, \"{name}\", err);", "}", ""]
    out += ["int wire_encode(enum wire_id id, const void *message, struct writer *out, struct err *err) {",
            "    switch (id) {"]
    out += [f"    case WIRE_{m['name'].upper()}: return encode_{m['name']}(out, message, err);"
            for m in spec["messages"]]
    out += ["    }", "    return err_set(err, ERR_INTERNAL, 0, \"message\", \"unknown id %d\", (int)id);", "}", "",
            "const char *wire_id_name(uint16_t id) {", "    switch (id) {"]
    out += [f"    case WIRE_{m['name'].upper()}: return \"{m['name']}\";" for m in spec["messages"]]
    out += ["    }", "    return \"?\";", "}"]
    return "\n".join(out) + "\n"


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        spec = json.load(f)
    check(spec)
    for path, text in ((sys.argv[2], header(spec)), (sys.argv[3], source(spec))):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


main()
