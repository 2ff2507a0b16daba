# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the scripts at the top share. Sourced; needs set -eu.

say() { printf '\n==> %s\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# as_root COMMAND…: run it as root, by sudo where needed.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root is needed for: $* (run this as root, or install sudo)"
    fi
}

# build_tree DIR [MESON OPTION…]: configure it once, then bring it up to date (all of it, or the targets that $targets
# names). Prints only what went wrong.
build_tree() {
    tree=$1
    shift
    mkdir -p "$tree"
    if [ ! -f "$tree/build.ninja" ] && ! meson setup "$tree" "$@" >"$tree/setup.log" 2>&1; then
        tail -n 20 "$tree/setup.log" >&2
        die "cannot configure $tree (all of it: $tree/setup.log)"
    fi
    # shellcheck disable=SC2086
    if ! ninja -C "$tree" ${targets:-} >"$tree/build.log" 2>&1; then
        grep -vE '^\[[0-9]+/[0-9]+\] |^ninja: (Entering|build stopped)' "$tree/build.log" | tail -n 60 >&2
        die "cannot build $tree (all of it: $tree/build.log)"
    fi
}
