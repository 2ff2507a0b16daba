# SPDX-License-Identifier: Apache-2.0
"""What stands where: pages, READMEs, nothing generated."""

import os
import re

import tree

PAGE_LINES = 80
TOP = ["README.md", "ARCHITECTURE.md", "SPECIFICATION.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE",
       "Makefile", "quickstart", "test", "bench", ".ci/run", ".clang-format", "meson.build"]
GENERATED = re.compile(r"\.(o|a|so|pyc|d|gcda|gcno|log|orig|rej|swp)$|(^|/)(build|node_modules|__pycache__)/|~$")
BINARY = (".tar", ".gz", ".zst", ".png", ".zip", ".db")


def check_the_top_is_complete():
    return [f"{name} is missing" for name in TOP if not (tree.ROOT / name).exists()]


def check_commands_can_be_run():
    return [f"{name}: not executable" for name in ("quickstart", "test", "bench", ".ci/run", "scripts/packages")
            if not os.access(tree.ROOT / name, os.X_OK)]


def check_folders_with_code_have_a_page():
    """One page each: src/**, api, and the first level of tests and scripts."""
    folders = {os.path.dirname(n) for n in tree.under("src/", suffixes=(".c", ".h"))}
    folders |= {"api", "scripts", "packaging"} | {"/".join(n.split("/")[:2]) for n in tree.under("tests/") if n.count("/") > 1}
    wrong = []
    for folder in sorted(folders):
        page = tree.ROOT / folder / "README.md"
        if not page.exists():
            wrong.append(f"{folder}: has no README.md")
        elif not 3 <= len(page.read_text().splitlines()) <= PAGE_LINES:
            wrong.append(f"{folder}/README.md: is not one page (3 to {PAGE_LINES} lines)")
    return wrong


def check_nothing_generated_is_kept():
    wrong = [n for n in tree.tracked() if GENERATED.search(n)]
    return wrong + [f"{n}: over 256 KiB" for n in tree.tracked() if (tree.ROOT / n).stat().st_size > 256 * 1024]


def check_no_binary_is_kept():
    return [n for n in tree.tracked() if n.endswith(BINARY) and not n.startswith("tests/fuzz/corpus/")]


def check_links_lead_somewhere():
    wrong = []
    for name in tree.tracked():
        if not name.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", tree.text(name)):
            if "://" not in target and not (tree.ROOT / os.path.dirname(name) / target).exists():
                wrong.append(f"{name}: {target} is not there")
    return wrong


def check_sources_are_in_a_build_file():
    """Each .c file is named in a meson.build of its folder or of one above it."""
    wrong = []
    for name in tree.sources():
        if not name.endswith(".c"):
            continue
        base, folder = os.path.basename(name), os.path.dirname(name)
        stem = base.removesuffix(".c")
        found = False
        while folder and not found:
            build = f"{folder}/meson.build"
            if build in tree.tracked():
                text = tree.text(build)
                found = base in text or any(f"'{part}'" in text for part in parts(stem))
            folder = os.path.dirname(folder)
        if not found:
            wrong.append(f"{name}: no meson.build names it")
    return wrong


def parts(stem):
    """test_abc_def: abc_def, abc, … as the loops of the test folders name them."""
    words = stem.split("_")
    return {"_".join(words[i:]) for i in range(len(words))}
