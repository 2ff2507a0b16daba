# SPDX-License-Identifier: Apache-2.0
"""A manual page (man(7)) for each command, and trine.1 over them."""
from .commands import usage
from .completion import tops


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return "\\&" + text if text.startswith((".", "'")) else text


def name_of(cmd):
    return "trine-" + cmd["command"].replace(" ", "-")


def head(name, version, summary):
    return [".\\\" SPDX-License-Identifier: Apache-2.0", f".TH {name.upper()} 1 \"\" \"Trine {version}\" \"Trine\"", ".nh", ".ad l",
            ".SH NAME", f"{escape(name)} \\- {escape(summary[0].lower() + summary[1:])}"]


def flag_text(f):
    text = (f"\\fB\\-{f['short']}\\fR, " if "short" in f else "") + f"\\fB\\-\\-{escape(f['long'])}\\fR"
    return text + (f" \\fI{escape(f['placeholder'])}\\fR" if "placeholder" in f else "")


def flags(title, rows):
    out = [f".SH {title}"]
    for f in rows:
        words = f" One of {', '.join(f['words'])}." if "words" in f else ""
        out += [".TP", flag_text(f), escape(f["doc"] + words)]
    return out if rows else []


def page(api, version, cmd):
    by_id = {op["id"]: op for op in api.operations}
    out = head(name_of(cmd), version, cmd["summary"])
    out += [".SH SYNOPSIS", f"\\fB{escape(usage(cmd))}\\fR"]
    out += [".SH DESCRIPTION", escape(cmd["summary"] + ".")]
    if cmd["description"]:
        out += [".PP", escape(cmd["description"])]
    if cmd.get("args"):
        out += [".SH ARGUMENTS"]
    for a in cmd.get("args", []):
        out += [".TP", f"\\fI{escape(a['name'])}\\fR", escape(a["doc"])]
    out += flags("FLAGS", cmd.get("flags", []))
    if "passthrough" not in cmd:
        out += flags("GLOBAL FLAGS", api.global_flags)
    if cmd.get("examples"):
        out += [".SH EXAMPLES"]
    for e in cmd.get("examples", []):
        out += [".TP", f"\\fB{escape(e['command'])}\\fR", escape(e["doc"])]
    if cmd["op"]:
        op = by_id[cmd["op"]]
        out += [".SH API", escape(f"{op['id']}: {op['method']} {op['path']}")]
    return "\n".join(out + [".SH SEE ALSO", "\\fBtrine\\fR(1)"]) + "\n"


def exit_codes(api):
    out = {0: ["Done"]}
    for _, title, code in api.error_kinds.values():
        out.setdefault(code, []).append(title)
    rows = [(str(code), "; ".join(titles) + ".") for code, titles in sorted(out.items())]
    return rows + [("125, 126, 127", "Of run and exec: Trine itself failed; the program cannot be run; it was not found. "
                    "Otherwise they exit as the program does.")]


def top_page(api, version):
    out = head("trine", version, "One machine, virtualized: execution, storage, network")
    out += [".SH SYNOPSIS", "\\fBtrine\\fR [flags] \\fICOMMAND\\fR [argument...]", ".SH DESCRIPTION",
            "Runs and keeps instances, the images that they start from, and the volumes and networks that they use. Where no "
            "daemon answers, run starts one.", ".SH COMMANDS"]
    for name, doc in tops(api).items():
        page_name = f"trine-{name}" if name not in api.groups else f"trine-{name}-*"
        out += [".TP", f"\\fB{escape(name)}\\fR", escape(doc + f". See {page_name}(1).")]
    out += flags("GLOBAL FLAGS", api.global_flags)
    out += [".SH EXIT STATUS"]
    for code, text in exit_codes(api):
        out += [".TP", code, escape(text)]
    out += [".SH ENVIRONMENT", ".TP", "TRINE_HOST", escape("The daemon to talk to, as --host."), ".TP", "TRINE_PROJECT", escape("The project, as --project.")]
    return "\n".join(out) + "\n"


def pages(api, version):
    out = {name_of(c) + ".1": page(api, version, c) for c in api.commands if not c.get("hidden")}
    return {"trine.1": top_page(api, version), **out}
