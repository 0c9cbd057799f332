#!/usr/bin/env python3
"""Searches a node for a few of the sample's queries and prints what was found.

    python3 demo_search.py URL SAMPLE_DIRECTORY QUERY_FILE

The last search's request is written to QUERY_FILE, for curl. Needs nothing but Python's own library.
"""
import json
import pathlib
import shutil
import struct
import sys
import textwrap
import urllib.request

SHOWN = 4
RESULTS = 4


def read_npy(path):
    """Rows of a float16 array."""
    data = path.read_bytes()
    length = struct.unpack("<H", data[8:10])[0]
    header = data[10 : 10 + length].decode("latin-1")
    rows, columns = (int(size) for size in header.split("'shape': (")[1].split(")")[0].split(",")[:2])
    numbers = struct.unpack(f"<{rows * columns}e", data[10 + length :])
    return [list(numbers[row * columns : (row + 1) * columns]) for row in range(rows)]


def post(url, document):
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def main():
    base, sample, query_file = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    texts = json.loads((sample / "query_texts.json").read_text(encoding="utf-8"))
    vectors = read_npy(sample / "queries.f16.npy")
    width = max(60, min(shutil.get_terminal_size().columns, 120))
    step = len(texts) // SHOWN
    for number in range(0, step * SHOWN, step):
        request = {"vector": vectors[number], "limit": RESULTS}
        answer = post(base + "/vectors/search", request)
        print(f"\"{texts[number]}\"  ({answer['took_ms']:.2f} ms)")
        for result in answer["results"]:
            payload = result["payload"]
            line = f"{payload['lemma']} ({payload['pos']}): {payload['text']}"
            print(f"  {result['score']:.3f}  {textwrap.shorten(line, width - 9, placeholder=' ...')}")
        print()
    query_file.write_text(json.dumps(request))


if __name__ == "__main__":
    main()
