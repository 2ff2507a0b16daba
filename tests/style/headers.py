# SPDX-License-Identifier: Apache-2.0
"""Every header stands alone and guards itself; a .c file proves its own by including it first (or the folder's inner one)."""

import concurrent.futures
import json
import os
import re
import shlex
import subprocess

import tree


def flags():
    """The include paths and definitions that the tree is compiled with, all together."""
    found, build = [], tree.build()
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        for i, word in enumerate(words):
            if word == "-isystem":
                word = f"-isystem{words[i + 1]}"
            if re.match(r"^(-I|-isystem|-D|-std=)", word) and word not in found and not word.startswith("-DTRINE_VERSION"):
                found.append(word)
    return found


def compile_alone(header, options):
    command = ["gcc", *options, "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-fsyntax-only", "-x", "c", "-"]
    source = f'#include "{header}"\nint alone;\n'
    done = subprocess.run(command, cwd=tree.build(), input=source, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    first = next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr.strip().split("\n")[0])
    return f"{header}: {first.strip()}"


def check_each_compiles_alone():
    options = flags()
    names = [str(tree.ROOT / n) for n in tree.under("src/", "tests/", suffixes=(".h",))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [line for line in pool.map(lambda name: compile_alone(name, options), names) if line]


def guard(name):
    path = name.removeprefix("src/")
    return re.sub(r"[^A-Z0-9]", "_", f"TRINE_{path.removesuffix('.h')}_H".upper())


def check_guards_name_the_file():
    wrong = []
    for name in tree.under("src/", suffixes=(".h",)):
        match = re.search(r"^#ifndef (\w+)\n#define (\w+)\n", tree.text(name), re.M)
        last = {guard(name), guard("src/" + "/".join(name.split("/")[-2:])), guard("src/" + name.split("/")[-1])}
        if not match or match[1] != match[2]:
            wrong.append(f"{name}: has no include guard")
        elif match[1] not in last:
            wrong.append(f"{name}: its guard {match[1]} is not one of {sorted(last)}")
    return wrong


def check_own_header_comes_first():
    wrong, names = [], set(tree.tracked())
    for name in tree.under("src/", suffixes=(".c",)):
        own = name.removesuffix(".c") + ".h"
        if own not in names:
            continue
        first = re.search(r'^#include [<"]([^">]+)[">]', tree.text(name), re.M)
        inside = os.path.dirname(own.removeprefix("src/"))
        if first and first[1] != own.removeprefix("src/") and not re.match(rf"{inside}/\w+_int\.h$", first[1]):
            wrong.append(f"{name}: includes {first[1]} before its own header")
    return wrong
