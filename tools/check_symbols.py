#!/usr/bin/env python3
"""Fails when two archives that one program links define the same symbol: the linker says nothing,
it takes what stands further left. An archive of tests/ may stand in for one of src/ that way.
Use: check_symbols.py BUILD_FOLDER"""
import collections
import pathlib
import re
import subprocess
import sys

build = pathlib.Path(sys.argv[1])


def programs():
    """Returns every program in build.ninja with the archives of src/ that it links."""
    ours, found, name = set(), {}, None
    for line in (build / "build.ninja").read_text().splitlines():
        hit = re.match(r"build (\S+): C_(EXECUTABLE|STATIC_LIBRARY)_LINKER", line)
        if hit and hit.group(2) == "STATIC_LIBRARY" and ".dir/src/" in line:
            ours.add(hit.group(1))
        if line.startswith("build "):
            name = hit and hit.group(1)
        elif name and line.startswith("  LINK_LIBRARIES = "):
            found[name] = line.split()
    return {name: [word for word in words if word in ours] for name, words in found.items()}


def symbols(archive):
    """Returns the external names that an archive defines (not the weak ones)."""
    out = subprocess.run(["nm", "--defined-only", "--extern-only", "--format=posix",
                          build / archive], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in out.splitlines() if re.match(r"\S+ [ABCDRT] ", line)}


links = programs()
defined = {archive: symbols(archive) for archive in set().union(*links.values())
           if (build / archive).exists()}
reported = set()
for program, archives in sorted(links.items()):
    places = collections.defaultdict(set)
    for archive in archives:
        for symbol in defined.get(archive, ()):
            places[symbol].add(archive)
    for symbol, where in sorted(places.items()):
        if len(where) > 1 and (symbol, *sorted(where)) not in reported:
            reported.add((symbol, *sorted(where)))
            print(f"{symbol}: defined in {' and '.join(sorted(where))}, linked by {program}")
sys.exit(1 if reported else 0)
