#!/usr/bin/env python3
"""The code in a guide: compares it with the files that it is from, or writes it into files.

    guide.py check GUIDE FOLDER      code labelled **`name`** or **`name`** (a part) stands in
                                     FOLDER/name like that; files of the reader's project that FOLDER
                                     has another version of, or none, are left out
    guide.py extract GUIDE FOLDER    writes code labelled **`name`** to FOLDER/name, and what the
                                     program says, the lines after "says", to FOLDER/expected
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^\*\*`([^`]+)`\*\*( \(a part\))?\n```\w*\n(.*?)^```$", re.S | re.M)
SAYS = re.compile(r"^says\n\n((?:    .*\n)+)", re.M)
# How a project of the reader's is built is not how this one is.
PROJECT_FILES = {"WORKSPACE", ".bazelrc", "BUILD.bazel"}


def check(text, folder):
    checked, failures = 0, []
    for name, part, code in BLOCK.findall(text):
        if name in PROJECT_FILES and not part:
            continue
        content = (folder / name).read_text()
        checked += 1
        if not (code in content if part else code == content):
            failures.append(name)
    for name in failures:
        print(f"the guide's code is not that of {folder / name}", file=sys.stderr)
    print(f"{checked} pieces of code, {len(failures)} of them differ from their files")
    return checked > 0 and not failures


def extract(text, folder):
    files = [(name, code) for name, part, code in BLOCK.findall(text) if not part]
    for name, code in files:
        (folder / name).write_text(code)
    said = SAYS.findall(text)
    if len(said) != 1:
        print("the guide does not say once what the program says", file=sys.stderr)
        return False
    (folder / "expected").write_text(re.sub(r"^    ", "", said[0], flags=re.M))
    return bool(files)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("check", "extract"):
        print(__doc__, file=sys.stderr)
        return 2
    text = pathlib.Path(sys.argv[2]).read_text()
    action = check if sys.argv[1] == "check" else extract
    return 0 if action(text, pathlib.Path(sys.argv[3])) else 1


sys.exit(main())
