# SPDX-License-Identifier: Apache-2.0
"""Every operation of the API has a command, a page and a test."""

import json
import re
import subprocess
import sys

import tree


def operations():
    for name in tree.under("api/", suffixes=(".json",)):
        if name.count("/") == 1 and re.match(r"api/[a-z]+\.[a-z_]+\.json$", name):
            yield json.loads(tree.text(name))


def test_text():
    return "\n".join(tree.text(n) for n in tree.under("tests/conform/", "tests/unit/", "tests/fault/")
                     if n.endswith((".c", ".h", ".sh", ".py", ".mjs")))


def check_each_has_a_command():
    """A command of its own, one that covers it, or the reason why none does."""
    wrong = []
    for operation in operations():
        cli = operation.get("cli") or {}
        if not (cli.get("command") or cli.get("see") or cli.get("none")):
            wrong.append(f"api/{operation['id']}.json: cli names no command, no other that covers it (see), no reason (none)")
    return wrong


def check_each_is_tested():
    """A test names it by its id, by its path, or by its command."""
    text, wrong = test_text(), []
    for operation in operations():
        name = operation["id"]
        constant = "API_" + name.replace(".", "_").upper()
        if name in text or constant in text:
            continue
        path = re.escape(operation["path"])
        path = re.sub(r"\\\{\w+\\\}", r"[^\\s/\"']+", path)
        cli = operation.get("cli") or {}
        command = cli.get("command")
        if command and re.search(rf"\btrine\b[^\n|;&]*\b{re.escape(command)}\b", text):
            continue
        if re.search(path + r"(?![\w/])", text) and operation["method"] == "GET":
            continue
        wrong.append(f"{name}: no test names it")
    return wrong


def check_each_has_a_page():
    """The generated reference page has a part for each."""
    page = tree.build() / "api" / "api.md"
    if not page.exists():
        return [f"{page} was not generated"]
    text = page.read_text()
    return [f"{o['id']}: not on the reference page" for o in operations() if o["path"] not in text]


def check_each_command_has_a_manual_page():
    folder = tree.build() / "api" / "man1"
    if not folder.is_dir():
        return [f"{folder} was not generated"]
    pages = {p.name for p in folder.iterdir()}
    return [f"trine {o['cli']['command']}: no manual page" for o in operations() if (o.get("cli") or {}).get("command")
            and f"trine-{o['cli']['command'].replace(' ', '-')}.1" not in pages]


def check_the_files_agree():
    done = subprocess.run([sys.executable, "-B", "api/generate.py", "check", "src/base/err.h", "0"], cwd=tree.ROOT, capture_output=True,
                          text=True, check=False)
    return [] if done.returncode == 0 else (done.stderr + done.stdout).splitlines()
