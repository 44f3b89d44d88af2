#!/usr/bin/env python3
"""Fails on what no other tool looks for: long files, banned functions, a folder without a README,
a fuzzer without seeds, a test that sleeps, a path of one machine, `TODO` without an issue."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
bad = 0


def complain(where, what):
    global bad
    print(f"{where}: {what}")
    bad += 1


tracked = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "--cached",
                          "--others", "--exclude-standard"], capture_output=True, text=True,
                         check=False).stdout.split()
files = [root / name for name in tracked] or [p for p in root.rglob("*") if p.is_file()]
files = [f for f in files if f.exists()]
banned = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|alloca|rand|srand)\s*\(")
for file in files:
    name = file.relative_to(root)
    if file.suffix in (".c", ".h"):
        lines = file.read_text().splitlines()
        if len(lines) > 1000:
            complain(name, f"{len(lines)} lines, at most 1000")
        for number, line in enumerate(lines, 1):
            if banned.search(line):
                complain(f"{name}:{number}", "banned function")
            if re.search(r"\b(TODO|FIXME|XXX)\b", line) and "#" not in line:
                complain(f"{name}:{number}", "no issue named")
            if re.match(r"\s*//", line):
                complain(f"{name}:{number}", "comments are /* */")
    if str(name).startswith("tests/") and file.suffix in (".c", ".py"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if re.search(r"\b(sleep|usleep|nanosleep)\((?!.*  # )", line):
                complain(f"{name}:{number}", "a test that sleeps and does not say why")
folders = {f.parent for f in files if f.suffix in (".c", ".h") and root / "src" in f.parents}
for folder in sorted(folders):
    if not (folder / "README.md").exists():
        complain(folder.relative_to(root), "no README.md")
for fuzzer in sorted((root / "tests/fuzz").glob("fuzz_*.c")):
    seeds = root / "tests/fuzz/seeds" / fuzzer.stem
    if not seeds.is_dir() or not any(seeds.iterdir()):
        complain(fuzzer.relative_to(root), "no seeds")
sys.exit(1 if bad else 0)
