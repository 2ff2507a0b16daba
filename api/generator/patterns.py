# SPDX-License-Identifier: Apache-2.0
"""The patterns of the API: ^, then byte classes each with ?, *, + or {m,n}, then $; no groups and no choices.

Each class is matched greedily, without ever going back. That finds every match as long as what follows a class of
variable length cannot begin with one of its bytes; parse() refuses all other patterns.
"""

NO_END = 0xFFFFFFFF


def parse_class(text, at):
    """The set of bytes at text[at:], and where it ends."""
    c = text[at]
    if c == ".":
        return set(range(1, 256)), at + 1
    if c == "\\":
        return {ord(text[at + 1])}, at + 2
    if c != "[":
        if c in "()|*+?{}^$]":
            raise ValueError(f"'{c}' is not possible here")
        return {ord(c)}, at + 1
    end = text.index("]", at + 2)
    body, chosen, i = text[at + 1:end], set(), 0
    negated = body.startswith("^")
    body = body[1:] if negated else body
    while i < len(body):
        if i + 2 < len(body) and body[i + 1] == "-":
            chosen |= set(range(ord(body[i]), ord(body[i + 2]) + 1))
            i += 3
        else:
            chosen.add(ord(body[i]))
            i += 1
    return (set(range(1, 256)) - chosen if negated else chosen), end + 1


def parse_count(text, at):
    c = text[at:at + 1]
    if c == "?":
        return 0, 1, at + 1
    if c == "*":
        return 0, NO_END, at + 1
    if c == "+":
        return 1, NO_END, at + 1
    if c != "{":
        return 1, 1, at
    end = text.index("}", at)
    low, comma, high = text[at + 1:end].partition(",")
    return int(low), (int(high) if high else NO_END) if comma else int(low), end + 1


def parse(text):
    """[(set of bytes, min, max)]; ValueError when the pattern is of another form."""
    if not text.startswith("^") or not text.endswith("$") or not text.isascii():
        raise ValueError("it does not begin with ^ and end with $, in ASCII")
    text, at, parts = text[1:-1], 0, []
    while at < len(text):
        chosen, at = parse_class(text, at)
        low, high, at = parse_count(text, at)
        if low > high or not chosen:
            raise ValueError("an empty class or count")
        parts.append((chosen, low, high))
    for i, (chosen, low, high) in enumerate(parts):
        for follower, follower_low, _ in parts[i + 1:] if low != high else []:
            if chosen & follower:
                raise ValueError("a class of variable length is followed by one that shares bytes with it")
            if follower_low:
                break
    return parts
