# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: the table of ARCHITECTURE.md, enforced."""

import re

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
BEGIN = "<!-- include-table: read by tests/style/layers.py -->"


def read_table(text):
    """{folder below src/: set of folders it may include}, from the Markdown table behind the marker."""
    rows = {}
    behind = text.split(BEGIN, 1)[1].lstrip("\n")
    for line in behind.splitlines():
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "folder" or set(cells[0]) <= {"-", ":"}:
            continue
        folder, may = cells[0].strip("`"), re.findall(r"`([^`]+)`", cells[1])
        rows[folder] = set(may)
    return rows


def folder_of(path, table):
    """The most exact row that a path below src/ belongs to; None where there is none."""
    parts = path.split("/")[:-1]
    while parts:
        if "/".join(parts) in table:
            return "/".join(parts)
        parts.pop()
    return None


def violations(table, files):
    """files: {path below src/: text}."""
    wrong = []
    for path, text in files.items():
        own = folder_of(path, table)
        if own is None:
            wrong.append(f"src/{path}: its folder is not in the include table of ARCHITECTURE.md")
            continue
        for include in INCLUDE.findall(text):
            if "/" not in include:
                wrong.append(f'src/{path}: includes "{include}" without its folder')
                continue
            target = folder_of(include, table)
            if target is None:
                wrong.append(f'src/{path}: includes "{include}", which is in no folder of the table')
            elif target != own and target not in table[own]:
                wrong.append(f'src/{path}: {own} may not include {target} ("{include}")')
            elif target != own and include.endswith("_int.h"):
                wrong.append(f'src/{path}: "{include}" stays inside its folder')
    return wrong


def own_files():
    return {n.removeprefix("src/"): tree.text(n) for n in tree.under("src/", suffixes=(".c", ".h"))}


def check_includes_follow_the_table():
    return violations(read_table(tree.text("ARCHITECTURE.md")), own_files())


def check_a_broken_rule_is_found():
    """The check above can fail: each of these must be found, and the last must not."""
    table = read_table(tree.text("ARCHITECTURE.md"))
    cases = [
        ("base/err.c", '#include "host/loop.h"', True),
        ("cloud/daemon.c", '#include "execution/container/runtime.h"', True),
        ("cli/run.c", '#include "cloud/cloud.h"', True),
        ("codec/x.c", '#include "host/file.h"', True),
        ("storage/x.c", "", True),
        ("wire/channel.c", '#include "host/loop_int.h"', True),
        ("host/loop.c", '#include "loop.h"', True),
        ("wire/channel.c", '#include "host/loop.h"\n#include <stdio.h>', False),
    ]
    return [f"src/{path} with {text!r}: {'not found' if bad else 'refused'}" for path, text, bad in cases
            if bool(violations(table, {path: text})) != bad]


def cycles(graph):
    """One line for each cycle that a walk finds."""
    found, done = [], set()

    def walk(node, path):
        if node in path:
            found.append(" -> ".join(path[path.index(node):] + [node]))
            return
        if node in done:
            return
        for following in graph.get(node, ()):
            walk(following, path + [node])
        done.add(node)

    for node in graph:
        walk(node, [])
    return found


def check_headers_have_no_cycles():
    files = own_files()
    return cycles({p: INCLUDE.findall(t) for p, t in files.items() if p.endswith(".h")})


def check_a_cycle_is_found():
    return [] if cycles({"a.h": ["b.h"], "b.h": ["c.h"], "c.h": ["a.h"]}) else ["a, b, c, a was not found"]


def check_the_table_has_no_cycles():
    """The folders themselves form an order."""
    table = read_table(tree.text("ARCHITECTURE.md"))
    unknown = [f"{row} names {word}, which has no row" for row, may in table.items() for word in may if word not in table]
    return unknown + cycles({row: sorted(may) for row, may in table.items()})
