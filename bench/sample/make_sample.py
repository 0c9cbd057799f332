#!/usr/bin/env python3
"""Cuts the sample that Grape ships out of a larger set of text embeddings.

    python3 make_sample.py SOURCE_DIRECTORY [--rows 3000] [--queries 50] [--seed 1]

SOURCE_DIRECTORY holds base.f16.npy, payload.jsonl.gz (line i belongs to row i), queries.f16.npy, query_texts.json,
truth_all.npy (row numbers of each query's nearest, best first) and LICENSE-WordNet.txt. The sample's files have the
same names and are written beside this script.

Rows picked at random alone would leave most queries without a near neighbour among them. So half of the rows are the
queries' own nearest in the whole set, in turns, and the other half is drawn at random. The truth is worked out anew
among the sample's rows.
"""
import argparse
import gzip
import json
import pathlib
import shutil

import numpy

HERE = pathlib.Path(__file__).resolve().parent
# What the searches of the demo show; the other fields of the source are left out.
FIELDS = ("lemma", "pos", "text")
TRUTH_DEPTH = 100


def normalised(vectors):
    wide = vectors.astype(numpy.float32)
    return wide / numpy.linalg.norm(wide, axis=1, keepdims=True)


def pick_rows(truth, total, wanted, random):
    picked = dict.fromkeys(truth.T[: wanted // (2 * len(truth))].ravel().tolist())
    for row in random.permutation(total).tolist():
        if len(picked) == wanted:
            break
        picked.setdefault(row)
    return sorted(picked)


def exact_truth(base, queries, depth):
    scores = normalised(queries) @ normalised(base).T
    return numpy.argsort(-scores, axis=1, kind="stable")[:, :depth].astype(numpy.int32)


def write_payloads(source, rows):
    wanted = set(rows)
    lines = []
    with gzip.open(source, "rt", encoding="utf-8") as file:
        for row, line in enumerate(file):
            if row in wanted:
                payload = json.loads(line)
                kept = {field: payload[field] for field in FIELDS}
                lines.append(json.dumps(kept, ensure_ascii=False, separators=(",", ":")) + "\n")
    # No time stamp and no file name inside: the same input gives the same bytes.
    with open(HERE / "payload.jsonl.gz", "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write("".join(lines).encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = numpy.random.default_rng(options.seed)

    base = numpy.load(options.source / "base.f16.npy", mmap_mode="r")
    queries = numpy.load(options.source / "queries.f16.npy")
    texts = json.loads((options.source / "query_texts.json").read_text())
    truth = numpy.load(options.source / "truth_all.npy")

    # Short texts fit on a line of the terminal.
    short = [number for number, text in enumerate(texts) if len(text) <= 70]
    chosen = sorted(random.choice(short, options.queries, replace=False).tolist())
    rows = pick_rows(truth[chosen], len(base), options.rows, random)

    sample, asked = numpy.ascontiguousarray(base[rows]), queries[chosen]
    numpy.save(HERE / "base.f16.npy", sample)
    numpy.save(HERE / "queries.f16.npy", asked)
    numpy.save(HERE / "truth_all.npy", exact_truth(sample, asked, TRUTH_DEPTH))
    (HERE / "query_texts.json").write_text(
        json.dumps([texts[number] for number in chosen], ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    write_payloads(options.source / "payload.jsonl.gz", rows)
    shutil.copyfile(options.source / "LICENSE-WordNet.txt", HERE / "LICENSE-WordNet.txt")
    print(f"{len(rows)} rows and {len(chosen)} queries written to {HERE}")


if __name__ == "__main__":
    main()
