# SPDX-License-Identifier: Apache-2.0
"""What must not be said anywhere in the tree."""

import re

import tree

# In pieces, so that this file does not say them itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX:", "HA" + "CK:"]) + r")\b")
MACHINE = re.compile(r"(?<![\w.-])/(" + "|".join(["wo" + "rk/", "ho" + "me/[a-z]+/", "tmp/" + "b-"]) + ")")
HOSTS = re.compile("|".join(re.escape(a + b) for a, b in [
    ("docker", ".io"), ("quay", ".io"), ("ghcr", ".io"), ("gcr", ".io"), ("npmjs", ".org"), ("npmjs", ".com"),
    ("pypi", ".org"), ("crates", ".io"), ("registry", ".k8s"), ("proxy.golang", ".org"), ("mcr.", "microsoft"),
    ("deb.debian", ".org"), ("security.debian", ".org"), ("rubygems", ".org")]))
OLD_CODE = re.compile(r"^\s*// ?(\w[\w>.\[\]-]*\s*=\s*[^=].*;|return\b.*;|if \(.*\) \{?|\w+\(.*\);)\s*$")


def lines(names):
    for name in names:
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            yield f"{name}:{number}", line


def say(pattern, names):
    return [f"{where}: {line.strip()[:100]}" for where, line in lines(names) if pattern.search(line)]


def all_text():
    return [n for n in tree.tracked() if not n.startswith(("tests/fuzz/corpus/", "tests/data/"))]


def check_nothing_is_left_to_do():
    return say(UNFINISHED, all_text())


def check_no_machine_is_named():
    return say(MACHINE, all_text())


def check_no_package_host_is_named():
    return say(HOSTS, all_text())


def check_no_code_is_commented_out():
    return say(OLD_CODE, tree.sources())


def check_the_words_are_found():
    samples = [(UNFINISHED, "// TO" + "DO: later"), (MACHINE, "see /wo" + "rk/main"), (HOSTS, "https://quay" + ".io/x"),
               (OLD_CODE, "    // x = y + 1;")]
    return [f"{pattern.pattern[:40]}… does not find {text!r}" for pattern, text in samples if not pattern.search(text)]
