#!/usr/bin/env python3
"""Fails when a file under src/ includes a folder that its module does not list in DEPS.

The list is read from the add_module() lines of CMakeLists.txt, so one place states the
architecture. It is not transitive: a module lists what it uses; base/ is free. A cycle fails
too. Headers of third parties may appear in one folder each.
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
text = (root / "CMakeLists.txt").read_text()
folders, deps = {}, {}
for line in re.findall(r"^add_module\(([^)]*)\)", text, re.M):
    words = line.split()
    name = words[0]
    folder = words[words.index("FOLDER") + 1] if "FOLDER" in words else name
    listed = []
    if "DEPS" in words:
        for word in words[words.index("DEPS") + 1:]:
            if word in ("SYSTEM", "FOLDER"):
                break
            listed.append(word)
    folders[name] = folder
    deps.setdefault(folder, set()).update(listed)

# Which folder a DEPS name allows: sys is headers only, api_x is api/x.
allowed_folder = {name: folder for name, folder in folders.items()}
allowed_folder["sys"] = "sys"
allowed_folder["consensus"] = "consensus"

third_party = {
    "uv.h": "sys/uv", "rocksdb/": "engine/disk", "jansson.h": "wire", "nghttp2/": "wire",
    "openssl/": "wire", "hiredis/": "backend", "libpq-fe.h": "backend", "utf8proc.h": "api/dstash",
}
bad = 0


def complain(file, number, what):
    global bad
    print(f"{file.relative_to(root)}:{number}: {what}")
    bad += 1


def walk(folder, path=()):
    if folder in path:
        sys.exit("cycle: " + " -> ".join(path + (folder,)))
    for name in deps.get(folder, ()):
        walk(allowed_folder.get(name, name), path + (folder,))


for folder in deps:
    walk(folder)

for file in sorted((root / "src").rglob("*.[ch]")):
    folder = str(file.parent.relative_to(root / "src"))
    own = {folder, folder.split("/")[0], "base"}
    own |= {allowed_folder.get(name, name) for name in deps.get(folder, ())}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        system = re.match(r"#include <([^>]+)>", line)
        if system:
            for prefix, home in third_party.items():
                if system.group(1).startswith(prefix) and folder != home:
                    complain(file, number, f"only {home} may include <{system.group(1)}>")
            continue
        hit = re.match(r'#include "([^"]+)"', line)
        if not hit:
            continue
        target = str(pathlib.PurePath(hit.group(1)).parent)
        if (target + "/").startswith(("proto/", "google/protobuf/")): # generated
            target = "proto"
        if ".." in hit.group(1) or target == ".":
            complain(file, number, 'write #include "folder/file.h"')
        elif target not in own and folder not in ("server", "cli"):
            complain(file, number, f"{folder} may not include {target}")
sys.exit(1 if bad else 0)
