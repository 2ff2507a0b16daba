# SPDX-License-Identifier: Apache-2.0
"""Completion scripts. Each is a table of the commands as the shell writes tables, and shell/NAME.*, which reads it.

A line of the table: the flags, then FLAG=KIND for those that take a value, then the KIND of each argument; a '+' behind
the last one lets it repeat. KIND is "none", "files", "words:A,B", or what `trine __complete KIND PREFIX` knows.
"""
import pathlib

SHELL = pathlib.Path(__file__).resolve().parent / "shell"


def kind(x):
    return "words:" + ",".join(x["words"]) if "words" in x else x.get("complete", "none")


def names(f):
    return ["--" + f["long"]] + (["-" + f["short"]] if "short" in f else [])


def spec(cmd, flags):
    """(flags, FLAG=KIND, argument kinds), each one string."""
    args = [kind(a) + ("+" if a.get("repeat") else "") for a in cmd.get("args", [])]
    return (" ".join(n for f in flags for n in names(f)),
            " ".join(f"{n}={kind(f)}" for f in flags if f["type"] != "bool" for n in names(f)), " ".join(args))


def rows(api):
    """(command, its three strings) for each that is shown; \"\" is the line before any command."""
    out = [("", spec({"args": []}, api.global_flags))]
    for cmd in api.commands:
        if not cmd.get("hidden"):
            flags = cmd.get("flags", []) + ([] if "passthrough" in cmd else api.global_flags)
            out.append((cmd["command"], spec(cmd, flags)))
    return out


def tops(api):
    """First words, with what they are about."""
    out = dict(api.groups)
    out.update({c["command"]: c["summary"] for c in api.commands if " " not in c["command"] and not c.get("hidden")})
    return dict(sorted(out.items()))


def verbs(api, group):
    return {c["command"].split()[1]: c["summary"] for c in api.commands if c["command"].startswith(group + " ")}


def posix_table(api):
    """For bash and zsh: a function that sets flags, kinds and args."""
    out = ["_trine_command() {", "    case \"$1\" in"]
    for name, (flags, kinds, args) in rows(api):
        out.append(f"        \"{name}\") flags='{flags}' kinds='{kinds}' args='{args}' ;;")
    out += ["        *) return 1 ;;", "    esac", "}", "_trine_words() {", "    case \"$1\" in",
            f"        \"\") echo '{' '.join(tops(api))}' ;;"]
    out += [f"        {g}) echo '{' '.join(verbs(api, g))}' ;;" for g in api.groups]
    return "\n".join(out + ["    esac", "}"])


def fish_table(api):
    out = ["function __trine_command", "    switch $argv[1]"]
    for name, parts in rows(api):
        out.append(f"        case '{name}'")
        out += [f"            printf '%s\\n' '{p}'" for p in parts]
    out += ["    end", "end", "function __trine_words", "    switch $argv[1]"]
    for name, words in [("", tops(api))] + [(g, verbs(api, g)) for g in api.groups]:
        out.append(f"        case '{name}'")
        out += [f"            printf '%s\\t%s\\n' {w} {fish_quote(d)}" for w, d in words.items()]
    return "\n".join(out + ["    end", "end"])


def fish_quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def scripts(api):
    tables = {"bash": posix_table(api), "zsh": posix_table(api), "fish": fish_table(api)}
    return {shell: (SHELL / f"trine.{shell}").read_text(encoding="utf-8").replace("@TABLE@", table)
            for shell, table in tables.items()}
