#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes everything that is derived from api/ (see api/README.md).

Usage: generate.py tables   ERR_H VERSION DEPFILE api.h api.c openapi.json
       generate.py commands ERR_H VERSION DEPFILE commands.h commands.c
       generate.py pages    ERR_H VERSION DEPFILE api.md MAN_DIR
       generate.py complete ERR_H VERSION DEPFILE SHELL OUT
       generate.py check    ERR_H VERSION [API_DIR]
"""
import pathlib
import sys

from generator import commands, completion, load, man, openapi, reference, tables

HERE = pathlib.Path(__file__).resolve().parent


def write(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_depfile(path, first_output, err_h):
    """The inputs, and their folders: a file that comes or goes is noticed too."""
    inputs = [err_h, HERE, HERE / "types", HERE / "commands", *sorted(HERE.rglob("*.json")), *sorted(HERE.rglob("*.py")),
              *sorted(HERE.glob("generator/shell/*"))]
    write(path, f"{first_output}: " + " ".join(str(i).replace(" ", "\\ ") for i in inputs) + "\n")


def write_man(api, version, folder):
    for name, text in man.pages(api, version).items():
        write(pathlib.Path(folder) / name, text)


def main(args):
    product, err_h, version, rest = args[0], args[1], args[2], args[3:]
    if product == "check":
        load.load(rest[0] if rest else HERE, err_h)
        return
    api, out = load.load(HERE, err_h), rest[1:]
    if product == "tables":
        document = openapi.document(api, version)
        write(out[0], tables.header(api))
        write(out[1], tables.source(api, document))
        write(out[2], document + "\n")
    elif product == "commands":
        write(out[0], commands.header(api))
        write(out[1], commands.source(api, completion.scripts(api)))
    elif product == "pages":
        write(out[0], reference.page(api, version))
        write_man(api, version, out[1])
    elif product == "complete":
        write(out[1], completion.scripts(api)[out[0]])
        del out[0]
    write_depfile(rest[0], out[0], err_h)


try:
    main(sys.argv[1:])
except load.Bad as e:
    sys.exit(f"api: {e}")
except IndexError:
    sys.exit(__doc__)
