# SPDX-License-Identifier: Apache-2.0
"""The files of the tree, as every check sees them: those under version control or about to be."""

import functools
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build():
    """A configured build tree: its compile_commands.json and generated headers."""
    tree = pathlib.Path(os.environ.get("TRINE_BUILD", ROOT / "build" / "release"))
    if not (tree / "compile_commands.json").exists():
        raise FileNotFoundError(f"{tree} is no build tree; run ./test style, or set TRINE_BUILD")
    return tree


@functools.cache
def tracked():
    """Paths relative to the root: what git knows, and what it would add."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
    done = subprocess.run(git + ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=False)
    if done.returncode == 0:
        names = done.stdout.decode().split("\0")
    else:  # an unpacked archive
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and "build" not in p.relative_to(ROOT).parts[:1]]
    return sorted({n for n in names if n and (ROOT / n).is_file()})


def under(*prefixes, suffixes=()):
    return [n for n in tracked() if n.startswith(prefixes) and (not suffixes or n.endswith(tuple(suffixes)))]


def sources():
    return under("src/", "tests/", suffixes=(".c", ".h"))


@functools.cache
def text(name):
    return (ROOT / name).read_text(errors="replace")
