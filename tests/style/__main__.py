# SPDX-License-Identifier: Apache-2.0
"""The rules of the tree. Each check is a function named check_…: it returns what is wrong, one line each.

python3 tests/style [NAME…] runs them (or those whose name holds a NAME) and tells ok or not ok for each. The checks that
compile need a configured build tree: TRINE_BUILD, or build/release."""

import sys
import traceback

import api
import comments
import files
import headers
import layers
import layout
import packages

MODULES = (layers, headers, files, layout, comments, api, packages)


def main():
    sys.stdout.reconfigure(line_buffering=True)
    failed = 0
    for module in MODULES:
        for name, check in vars(module).items():
            if not name.startswith("check_"):
                continue
            title = f"{module.__name__}.{name.removeprefix('check_')}"
            if sys.argv[1:] and not any(word in title for word in sys.argv[1:]):
                continue
            try:
                wrong = check()
            except Exception:  # a check that breaks has not passed
                wrong = traceback.format_exc().splitlines()
            if wrong is None:
                continue
            if isinstance(wrong, str):
                print(f"skip {title}: {wrong}")
                continue
            for line in wrong:
                print(f"    {line}")
            if wrong:
                failed = 1
                print(f"not ok {title}: {len(wrong)} wrong")
            else:
                print(f"ok {title}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
