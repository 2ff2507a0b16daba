# SPDX-License-Identifier: Apache-2.0
"""scripts/packages, README.md, the build files and tests/openapi name the same things."""

import json
import re
import subprocess

import tree

# What meson.build asks for, and the package that has it.
LIBRARIES = {
    "jansson": "libjansson-dev", "libmicrohttpd": "libmicrohttpd-dev", "libwslay": "libwslay-dev", "sqlite3": "libsqlite3-dev",
    "libseccomp": "libseccomp-dev", "libmnl": "libmnl-dev", "libarchive": "libarchive-dev", "libcrypto": "libssl-dev",
    "libssl": "libssl-dev", "openssl": "libssl-dev", "libzstd": "libzstd-dev", "libisal": "libisal-dev", "zlib": "zlib1g-dev",
    "yaml-0.1": "libyaml-dev", "libxxhash": "libxxhash-dev", "cmocka": "libcmocka-dev", "wslay": "libwslay-dev",
    "libgnutls": "libgnutls28-dev", "gnutls": "libgnutls28-dev",
}
BUILT_IN = {"threads", "m", "dl", "rt", "util"}


def run(*words):
    return subprocess.run(["scripts/packages", *words], cwd=tree.ROOT, capture_output=True, text=True, check=True).stdout


def check_readme_has_the_table():
    table = run("table").strip()
    return [] if table in tree.text("README.md") else ["README.md: its table differs from what 'scripts/packages table' prints"]


def check_have_reasons():
    return [line for line in run("table").splitlines() if len([c for c in line.strip("|").split("|") if c.strip()]) != 3]


def asked():
    text = "\n".join(tree.text(n) for n in tree.tracked() if n.endswith("meson.build"))
    return set(re.findall(r"\bdependency\('([^']+)'", text)) | set(re.findall(r"find_library\('([^']+)'", text))


def check_libraries_have_a_package():
    named, wrong = set(run("list", "build", "test").split()), []
    for library in asked() - BUILT_IN:
        package = LIBRARIES.get(library)
        if package is None:
            wrong.append(f"{library}: tests/style/packages.py does not know its package")
        elif package not in named:
            wrong.append(f"{library}: {package} is not in scripts/packages")
    return wrong


def check_packages_are_used():
    """No library is installed that nothing links."""
    needed = {LIBRARIES.get(library) for library in asked()} | {"libc6-dev"}
    return [f"{package}: nothing links it" for package in run("list", "build").split()
            if package.startswith(("lib", "zlib")) and package not in needed]


def check_programs_are_used():
    """Packages of tools appear by their command in a script or a test."""
    commands = {"prometheus": "promtool", "nodejs": "node", "busybox-static": "busybox", "libclang-rt-14-dev": "fuzz", "uidmap": "newuidmap",
                "procps": "pgrep", "util-linux": "setpriv", "pkg-config": "dependency", "ninja-build": "ninja", "python3": "python",
                "libcmocka-dev": "cmocka", "python3-yaml": "import yaml", "gcc": "gcc", "binutils": "strip"}
    text = "\n".join(tree.text(n) for n in tree.tracked() if n != "scripts/packages" and not n.endswith(".md")
                     and n != "tests/style/packages.py")
    return [f"{package}: nothing uses {commands.get(package, package)}" for package in run("list", "run", "test", "bench").split()
            if not re.search(rf"\b{re.escape(commands.get(package, package))}\b", text)]


def check_node_modules_are_pinned():
    lock = json.loads(tree.text("tests/openapi/package-lock.json"))
    package = json.loads(tree.text("tests/openapi/package.json"))
    wrong = [f"{name} {version}: not one exact version" for name, version in package["dependencies"].items()
             if not re.match(r"^\d+\.\d+\.\d+$", version)]
    for name, entry in lock["packages"].items():
        if "resolved" in entry:
            wrong.append(f"{name}: the lock names where it was downloaded (npm install --omit-lockfile-registry-resolved)")
        if name and "integrity" not in entry:
            wrong.append(f"{name}: the lock has no checksum")
    return wrong
