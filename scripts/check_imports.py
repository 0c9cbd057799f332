#!/usr/bin/env python3
"""Checks that every module imports only what Package.swift lets it, so that arrows between modules point down.

    python3 check_imports.py [PACKAGE_DIRECTORY]

SwiftPM's own check (--explicit-target-dependency-import-check) accepts what a module's dependencies depend on. Here
each import has to be a dependency that the target itself declares, or a module of the toolchain. Foundation stays out
of the modules below GrapeAPI, C libraries out of all modules but the one that wraps each.
"""
import json
import pathlib
import re
import subprocess
import sys

TOOLCHAIN = {"Dispatch", "Foundation", "FoundationEssentials", "FoundationNetworking", "Glibc", "Musl", "Darwin",
             "Synchronization", "Swift", "Testing", "_Concurrency"}
WITHOUT_FOUNDATION = {"GrapeModel", "GrapeStorage", "GrapeIndex", "GrapeEngine", "GrapeRaft", "GrapeCluster"}
ONLY_IMPORTER = {"CRocksDB": {"GrapeStorage"}, "CRocksDBExtras": {"GrapeStorage"}, "CVectorKernels": {"GrapeIndex"},
                 "CSimdJSON": {"GrapeModel"}, "CGzip": {"GrapeStorage"}}
IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:public |package |internal |private |fileprivate )?import\s+"
    r"(?:struct |class |enum |protocol |func |var |let |typealias |actor )?([A-Za-z_]\w*)", re.MULTILINE)


def declared(target):
    """Names of the targets and products that a target depends on."""
    names = set()
    for dependency in target["dependencies"]:
        for kind in ("byName", "target", "product"):
            if kind in dependency:
                names.add(dependency[kind][0])
    return names


def folder(root, target):
    default = "Tests" if target["type"] == "test" else "Sources"
    return root / (target.get("path") or f"{default}/{target['name']}")


def complaints(root, target):
    name, allowed = target["name"], declared(target) | TOOLCHAIN | {target["name"]}
    for file in sorted(folder(root, target).rglob("*.swift")):
        for match in IMPORT.finditer(file.read_text(encoding="utf-8")):
            module = match.group(1)
            line = file.read_text(encoding="utf-8").count("\n", 0, match.start(1)) + 1
            place = f"{file.relative_to(root)}:{line}"
            if module not in allowed:
                yield f"{place}: {name} imports {module}, which Package.swift does not give it"
            elif module.startswith("Foundation") and name in WITHOUT_FOUNDATION:
                yield f"{place}: {name} imports {module}; modules below GrapeAPI do without"
            elif name not in ONLY_IMPORTER.get(module, {name}) and target["type"] != "test":
                yield f"{place}: {name} imports {module}, which only {', '.join(ONLY_IMPORTER[module])} may"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    dump = subprocess.run(["swift", "package", "dump-package"], cwd=root, check=True, stdout=subprocess.PIPE)
    targets = json.loads(dump.stdout)["targets"]
    found = [complaint for target in targets for complaint in complaints(root, target)]
    print("\n".join(found) if found else f"imports of {len(targets)} targets are as Package.swift says")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
