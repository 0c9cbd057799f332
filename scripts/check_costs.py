#!/usr/bin/env python3
"""Counts the allocations of inserting into an index and searching it; fails where they exceed what is written down.

    check_costs.py GRAPE_BENCH [--write]

The sample is indexed and searched by one thread; the counts depend on the code and the compiler, not on the machine
or what else runs on it. `--write` writes bench/costs.json anew, a quarter and three above the counts: they
vary by one or two a search. Linux with glibc.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMITS = ROOT / "bench" / "costs.json"
SAMPLE = ROOT / "bench" / "sample"
ROWS, QUERIES, PASSES = 3_000, 50, 40
FILTER = '{"must":[{"key":"pos","match":{"value":"verb"}}]}'


def allocations(bench, library, *arguments):
    command = [bench, "index", "--base", SAMPLE / "base.f16.npy", "--queries", SAMPLE / "queries.f16.npy", "--truth",
               SAMPLE / "truth_all.npy", "--threads", "1", "--ef", "100", *arguments]
    result = subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, env=os.environ | {"LD_PRELOAD": str(library)})
    # The last to say so; the gzip that unpacks payloads has said it before.
    found = re.findall(r"allocations: (\d+)", result.stderr)
    if result.returncode or not found:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr[-2000:]}")
    return int(found[-1])


def costs(bench, library):
    found = {}
    filtered = ("--payload", SAMPLE / "payload.jsonl.gz", "--filter", f"{SAMPLE / 'truth_all.npy'}|{FILTER}")
    for quantization in ("none", "binary"):
        shared = ("--quantization", quantization)

        def count(passes, *more):
            return allocations(bench, library, *shared, "--passes", str(passes), *more)
        built = count(0)
        one, many = count(1), count(PASSES + 1)
        one_filtered, many_filtered = count(1, *filtered), count(PASSES + 1, *filtered)
        searches = PASSES * QUERIES
        found[f"insert, {quantization}"] = built / ROWS
        found[f"search, {quantization}"] = (many - one) / searches
        found[f"filtered search, {quantization}"] = (many_filtered - one_filtered - (many - one)) / searches
    return found


def main():
    with tempfile.TemporaryDirectory() as folder:
        library = pathlib.Path(folder) / "count.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, ROOT / "bench" / "count_allocations.c"],
                       check=True)
        found = costs(pathlib.Path(sys.argv[1]).resolve(), library)
    if "--write" in sys.argv[2:]:
        LIMITS.write_text(json.dumps({name: round(count * 1.25 + 3, 1) for name, count in found.items()}, indent=1)
                          + "\n")
    limits = json.loads(LIMITS.read_text())
    for name, count in found.items():
        print(f"{name:26}{count:8.1f} allocations, at most {limits[name]}")
    exceeded = [name for name, count in found.items() if count > limits[name]]
    if exceeded:
        sys.exit(f"more than bench/costs.json allows: {', '.join(exceeded)}")


if __name__ == "__main__":
    main()
