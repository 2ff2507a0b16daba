# SPDX-License-Identifier: Apache-2.0
"""Small words of C."""


def string(text):
    """A C string literal of a text (or NULL)."""
    if text is None:
        return "NULL"
    out = []
    for byte in text.encode("utf-8"):
        c = chr(byte)
        if c in "\"\\":
            out.append("\\" + c)
        elif c == "\n":
            out.append("\\n")
        elif 32 <= byte < 127:
            out.append("?\"\"" if c == "?" else c)
        else:
            out.append(f"\\{byte:03o}")
    return "\"" + "".join(out) + "\""


def long_string(text):
    """The same, a line of C for each line of text."""
    lines = text.splitlines(keepends=True) or [""]
    return "\n    ".join(string(line) for line in lines)


def constant(word):
    return word.upper().replace(".", "_").replace("-", "_")


def flag(value):
    return "true" if value else "false"
