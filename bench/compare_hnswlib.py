#!/usr/bin/env python3
"""Measures Grape's index and hnswlib's beside each other, in one run, on the same vectors and parameters.

    python3 compare_hnswlib.py --grape-bench BINARY --data DIRECTORY [--m 16] [--ef-construction 200]
        [--ef 16,32,64,128] [--threads 1] [--rounds 1]

DIRECTORY holds base.f16.npy, queries.f16.npy and truth_all.npy. Both are given vectors of length 1 and compare by inner
product or cosine. CPU time counts, not wall time: other programs on the machine change it little. With several rounds
the two take turns, and the least CPU of each is printed. hnswlib answers all queries in one call, so that Python's
share of each is nothing.
"""
import argparse
import json
import pathlib
import subprocess
import time

import hnswlib
import numpy

DEPTH = 10


def normalised(path):
    vectors = numpy.load(path).astype(numpy.float32)
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


def recall(found, truth):
    hits = sum(len(set(row[:DEPTH]) & set(near[:DEPTH])) for row, near in zip(found.tolist(), truth.tolist()))
    return hits / (DEPTH * len(truth))


def measure_hnswlib(base, queries, truth, options, efs):
    index = hnswlib.Index(space="ip", dim=base.shape[1])
    index.init_index(max_elements=len(base), M=options.m, ef_construction=options.ef_construction, random_seed=1)
    wall, cpu = time.perf_counter(), time.process_time()
    index.add_items(base, num_threads=options.threads)
    build = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    points = []
    for ef in efs:
        index.set_ef(max(ef, DEPTH))
        found, _ = index.knn_query(queries, k=DEPTH, num_threads=options.threads)
        rounds, wall, cpu = 0, time.perf_counter(), time.process_time()
        while rounds == 0 or time.perf_counter() - wall < 1:
            index.knn_query(queries, k=DEPTH, num_threads=options.threads)
            rounds += 1
        asked = rounds * len(queries)
        points.append({
            "ef": ef,
            "recall_at_10": recall(found, truth),
            "qps": asked / (time.perf_counter() - wall),
            "cpu_us_per_query": (time.process_time() - cpu) / asked * 1e6,
        })
    return {"build": build, "points": points}


def measure_grape(options, efs):
    data = pathlib.Path(options.data)
    command = [options.grape_bench, "index", "--json", "--metric", "cosine", "--base", data / "base.f16.npy",
               "--queries", data / "queries.f16.npy", "--truth", data / "truth_all.npy", "--m", str(options.m),
               "--ef-construction", str(options.ef_construction), "--ef", ",".join(map(str, efs)),
               "--threads", str(options.threads)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def best(reports):
    """Of each figure the round with the least CPU."""
    points = [min(at_ef, key=lambda point: point["cpu_us_per_query"])
              for at_ef in zip(*(report["points"] for report in reports))]
    return {"build": min((report["build"] for report in reports), key=lambda build: build["cpu_seconds"]),
            "points": points}


def cpu_at_recall(points, wanted):
    """CPU of a query at this recall, on the line between the two measured points around it; None outside them."""
    ordered = sorted(points, key=lambda point: point["recall_at_10"])
    for low, high in zip(ordered, ordered[1:]):
        if low["recall_at_10"] <= wanted <= high["recall_at_10"]:
            span = high["recall_at_10"] - low["recall_at_10"]
            share = (wanted - low["recall_at_10"]) / span if span else 0
            return low["cpu_us_per_query"] + share * (high["cpu_us_per_query"] - low["cpu_us_per_query"])
    return None


def print_tables(grape, other):
    print(f"{'':14}{'build CPU s':>12}{'build s':>10}")
    for name, report in (("Grape", grape), ("hnswlib", other)):
        print(f"{name:14}{report['build']['cpu_seconds']:12.2f}{report['build']['seconds']:10.2f}")
    print(f"{'Grape/hnswlib':14}{grape['build']['cpu_seconds'] / other['build']['cpu_seconds']:12.2f}\n")
    print(f"{'':6}{'Grape':>26}{'hnswlib':>28}")
    print(f"{'ef':>6}{'recall@10':>12}{'CPU µs/query':>14}{'recall@10':>14}{'CPU µs/query':>14}")
    for left, right in zip(grape["points"], other["points"]):
        print(f"{left['ef']:6}{left['recall_at_10']:12.4f}{left['cpu_us_per_query']:14.1f}"
              f"{right['recall_at_10']:14.4f}{right['cpu_us_per_query']:14.1f}")
    for wanted in (0.95, 0.99):
        left, right = cpu_at_recall(grape["points"], wanted), cpu_at_recall(other["points"], wanted)
        if left and right:
            print(f"\nat recall {wanted}: Grape {left:.1f} µs, hnswlib {right:.1f} µs of CPU a query, "
                  f"ratio {left / right:.2f}", end="")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--grape-bench", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=200)
    parser.add_argument("--ef", default="10,16,24,32,48,64,96,128,256")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    efs = [int(ef) for ef in options.ef.split(",")]

    data = pathlib.Path(options.data)
    base, queries = normalised(data / "base.f16.npy"), normalised(data / "queries.f16.npy")
    truth = numpy.load(data / "truth_all.npy")
    print(f"{len(base):,} × {base.shape[1]}, cosine, M {options.m}, efConstruction {options.ef_construction}, "
          f"{options.threads} thread(s), unquantised\n", flush=True)
    grape, other = [], []
    for _ in range(options.rounds):
        grape.append(measure_grape(options, efs))
        other.append(measure_hnswlib(base, queries, truth, options, efs))
    print_tables(best(grape), best(other))


if __name__ == "__main__":
    main()
