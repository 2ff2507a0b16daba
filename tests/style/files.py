# SPDX-License-Identifier: Apache-2.0
"""How long, how laid out, what must and what must not be in a file."""

import os
import re
import shutil
import subprocess

import tree

MAX_FILE_LINES = 1000
MAX_FUNCTION_LINES = 100
CODE = (".c", ".h", ".py", ".sh", ".build", ".mjs")
LICENSE = "SPDX-License-Identifier: Apache-2.0"


def scripts():
    """Shell scripts by what their first line says, or their name."""
    return [n for n in tree.tracked() if n.endswith(".sh") or tree.text(n).startswith(("#!/bin/sh", "#!/bin/bash"))]


def functions(text):
    """(name, line, lines) of each function of a file that clang-format has laid out."""
    begin = None
    for number, line in enumerate(text.splitlines(), 1):
        if begin is None and line.endswith("{") and re.match(r"^[a-z_]|^[A-Z]\w+ ", line) or \
                begin is None and re.match(r"^ .*\) \{$", line) and "(" not in line.split(")")[0]:
            if not re.match(r"^(struct|enum|union|typedef|static const|const|extern|#)\b[^(]*\{$", line) and "= {" not in line:
                name = re.search(r"(\w+)\(", line)
                begin = (name[1] if name else line.strip(), number)
        elif begin is not None and line == "}":
            yield begin[0], begin[1], number - begin[1] + 1
            begin = None


def check_say_their_license():
    names = [n for n in tree.tracked() if n.endswith(CODE)] + scripts()
    return [n for n in names if tree.text(n) and LICENSE not in "\n".join(tree.text(n).splitlines()[:3])]


def check_are_not_long():
    return [f"{n}: {len(tree.text(n).splitlines())} lines" for n in tree.tracked()
            if n.endswith(CODE) and len(tree.text(n).splitlines()) > MAX_FILE_LINES]


def check_functions_are_not_long():
    return [f"{n}:{line}: {name} has {length} lines" for n in tree.sources() for name, line, length in functions(tree.text(n))
            if length > MAX_FUNCTION_LINES]


def check_a_long_function_is_found():
    body = "int long_one(int a,\n             int b) {\n" + "    a++;\n" * 120 + "}\n"
    return [] if [f for f in functions(body) if f[2] > MAX_FUNCTION_LINES] else ["120 lines were not found"]


def check_c_is_formatted():
    tool = shutil.which("clang-format-14")
    if not tool:
        return "clang-format-14 is not installed"
    wrong, names = [], tree.sources()
    for i in range(0, len(names), 50):
        done = subprocess.run([tool, "--dry-run", *names[i:i + 50]], cwd=tree.ROOT, capture_output=True, text=True, check=False)
        wrong += sorted({line.split(":")[0] for line in done.stderr.splitlines() if "-Wclang-format-violations" in line})
    return [f"{name}: run clang-format-14 -i" for name in wrong]


def check_shell_parses():
    wrong = []
    for name in scripts():
        shell = "bash" if "bash" in tree.text(name).splitlines()[0] or "completion" in name or "trine.bash" in name else "sh"
        done = subprocess.run([shell, "-n", name], cwd=tree.ROOT, capture_output=True, text=True, check=False)
        wrong += done.stderr.splitlines()
    return wrong


def check_shell_is_sound():
    tool = shutil.which("shellcheck")
    if not tool:
        return "shellcheck is not installed"
    # SC2154: variables that come from a sourced file whose path is not a constant
    done = subprocess.run([tool, "-x", "-S", "warning", "-e", "SC2154", "-f", "gcc", *scripts()], cwd=tree.ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def check_scripts_can_be_run():
    return [f"{n}: not executable" for n in scripts()
            if tree.text(n).startswith("#!") and not os.access(tree.ROOT / n, os.X_OK)]


def check_python_parses():
    wrong = []
    for name in tree.tracked():
        if name.endswith(".py"):
            try:
                compile(tree.text(name), name, "exec")
            except SyntaxError as error:
                wrong.append(f"{name}: {error}")
    return wrong


def check_have_no_white_space_at_the_end():
    return [f"{n}:{i}" for n in tree.tracked() if n.endswith(CODE + (".md", ".json", ".js"))
            for i, line in enumerate(tree.text(n).splitlines(), 1) if line != line.rstrip() or "\t" in line[:1] and not n.endswith(".mk")]
