# SPDX-License-Identifier: Apache-2.0
"""commands.h and commands.c: what the command line takes and says."""
from .c_text import flag, long_string, string
from .tables import words_array


def usage(cmd):
    """"trine run [flags] IMAGE [ARG…]"."""
    out = ["trine", cmd["command"]]
    if "passthrough" not in cmd or "flags" in cmd:
        out.append("[flags]")
    for a in cmd.get("args", []):
        text = a["name"] + ("…" if a.get("repeat") else "")
        out.append(f"[{text}]" if a.get("optional") else text)
    return " ".join(out)


def complete(x):
    return "CLI_COMPLETE_" + x.get("complete", "none").upper()


def flag_row(f):
    fields = {"name": string(f["long"]), "letter": f"'{f['short']}'" if "short" in f else "0", "type": f"CLI_{f['type'].upper()}",
              "placeholder": string(f.get("placeholder")), "field": string(f.get("field")), "doc": string(f["doc"]),
              "complete": complete(f), "words": words_array(f["words"]) if "words" in f else "NULL"}
    return "    {" + ", ".join(f".{k} = {v}" for k, v in fields.items()) + "},"


def arg_row(a):
    fields = {"name": string(a["name"]), "field": string(a.get("field")), "doc": string(a["doc"]), "complete": complete(a),
              "words": words_array(a["words"]) if "words" in a else "NULL", "optional": flag(a.get("optional")),
              "repeat": flag(a.get("repeat")), "rest": flag(a.get("rest"))}
    return "    {" + ", ".join(f".{k} = {v}" for k, v in fields.items()) + "},"


def array(out, ctype, name, rows):
    if rows:
        out += [f"static const struct {ctype} {name}[] = {{", *rows, "};"]
    return (name if rows else "NULL"), len(rows)


def command(out, cmd, operations):
    c = cmd["command"].replace(" ", "_")
    ops = [op["id"] for op in operations]
    op = operations[ops.index(cmd["op"])] if cmd["op"] else {}
    args, n_args = array(out, "cli_arg", f"args_{c}", [arg_row(a) for a in cmd.get("args", [])])
    flags, n_flags = array(out, "cli_flag", f"flags_{c}", [flag_row(f) for f in cmd.get("flags", [])])
    examples, n_examples = array(out, "cli_example", f"examples_{c}",
                                 [f"    {{{string(e['command'])}, {string(e['doc'])}}}," for e in cmd.get("examples", [])])
    fields = {"name": string(cmd["command"]), "usage": string(usage(cmd)), "summary": string(cmd["summary"]),
              "description": string(cmd["description"]), "role": string(cmd.get("passthrough")),
              "args": args, "n_args": n_args, "flags": flags, "n_flags": n_flags, "examples": examples, "n_examples": n_examples,
              "method": string(op.get("method")), "path": string(op.get("path")),
              "waits": flag(any(p["name"] == "wait" for p in op.get("query", []))),
              "op": ops.index(cmd["op"]) if cmd["op"] else -1, "hidden": flag(cmd.get("hidden"))}
    return "    {" + ", ".join(f".{k} = {v}" for k, v in fields.items()) + "},"


def header(api):
    return "\n".join([
        "// SPDX-License-Identifier: Apache-2.0", "// Generated from api/: the commands of the command line.",
        "#ifndef TRINE_API_COMMANDS_H", "#define TRINE_API_COMMANDS_H", "", '#include "api/command.h"', "",
        f"#define CLI_COMMAND_COUNT {len(api.commands)}", f"#define CLI_GLOBAL_FLAG_COUNT {len(api.global_flags)}",
        f"#define CLI_GROUP_COUNT {len(api.groups)}", "",
        "// Sorted by name.", "extern const struct cli_command cli_commands[CLI_COMMAND_COUNT];",
        "// Taken by every command without a role.", "extern const struct cli_flag cli_global_flags[CLI_GLOBAL_FLAG_COUNT];",
        "extern const struct cli_group cli_groups[CLI_GROUP_COUNT];", "",
        "// The completion scripts, as `trine completion` prints them.",
        "extern const char cli_completion_bash[], cli_completion_zsh[], cli_completion_fish[];", "", "#endif"]) + "\n"


def source(api, scripts):
    out = []
    rows = [command(out, cmd, api.operations) for cmd in api.commands]
    out = ["// SPDX-License-Identifier: Apache-2.0", "// Generated from api/.", '#include "api/commands.h"', "", *out, "",
           "const struct cli_command cli_commands[CLI_COMMAND_COUNT] = {", *rows, "};", "",
           "const struct cli_flag cli_global_flags[CLI_GLOBAL_FLAG_COUNT] = {", *[flag_row(f) for f in api.global_flags], "};", "",
           "const struct cli_group cli_groups[CLI_GROUP_COUNT] = {",
           *[f"    {{{string(n)}, {string(d)}}}," for n, d in api.groups.items()], "};", ""]
    for shell, text in scripts.items():
        out += [f"const char cli_completion_{shell}[] =", f"    {long_string(text)};", ""]
    return "\n".join(out)
