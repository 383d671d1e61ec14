"""Make the test vectors, or check that the files are those that would be made.

    python vectors/generate.py            writes vectors/*.json
    python vectors/generate.py --check    says which files differ; the exit status is 1 if any does

A kind of vector is a module of `making` with a function `make()` that yields pairs of file name and contents.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from making import binade, box, bundle, common, function, order, part, request, sharewise

FOLDER = Path(__file__).parent
KINDS = (request, box, order, part, bundle, function, sharewise, binade)


def made() -> dict[str, str]:
    """Contents of all files by name."""
    files = dict([common.members()])
    for kind in KINDS:
        for name, contents in kind.make():
            if name in files:
                raise ValueError(f"two vectors are called {name}")
            files[name] = contents
    return {name: json.dumps(contents, indent=1, ensure_ascii=False) + "\n" for name, contents in files.items()}


def main(arguments: list[str]) -> int:
    files = made()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    differing = sorted(name for name in files.keys() | there.keys() if files.get(name) != there.get(name))
    if arguments == ["--check"]:
        for name in differing:
            sys.stderr.write(f"{name}: {'not made any more' if name not in files else 'differs'}\n")
        return 1 if differing else 0
    if arguments:
        sys.stderr.write(__doc__ or "")
        return 2
    for name in differing:
        if name in files:
            (FOLDER / name).write_text(files[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    sys.stdout.write(f"{len(files)} files, {len(differing)} changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
