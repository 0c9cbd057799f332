#!/usr/bin/env python3
"""Measures Grape's index beside others in one run: recall against CPU, building, searches under filters.

    python3 compare_index.py --grape-bench BINARY --data DIRECTORY|PREFIX [--data ...] [--peers hnswlib,faiss,qdrant]
        [--m 16] [--ef-construction 200] [--rounds 2] [--json FILE] [--svg FILE]

A DIRECTORY holds base.f16.npy, queries.f16.npy and truth_all.npy, and for filters payload.jsonl.gz and truth_verb.npy,
truth_lex5.npy, truth_lex11.npy; a PREFIX stands for PREFIX.base.npy, PREFIX.query.npy and PREFIX.gt.npy.

All get vectors of length 1 and one thread. CPU of the process counts, not wall time: other programs on the machine change
it less. Of each figure the round with the least CPU is kept. FILE of --json is written anew after each peer. hnswlib and faiss answer all queries in one call; Qdrant's
engine (qdrant-edge-py) is asked one by one with requests made before the clock starts, so a few microseconds of each of
its figures are Python's. Recall is of the true ten nearest, with queries that are not in the index.
"""
import argparse
import gzip
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy

DEPTH = 10
RECALLS = (0.90, 0.95, 0.98, 0.99)
EFS = (10, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 384)
FILTER_EFS = (32, 64, 100, 200)
FILTERS = {
    "verb": {"must": [{"key": "pos", "match": {"value": "verb"}}]},
    "lex5": {"must": [{"key": "lex_filenum", "match": {"value": 5}}]},
    "lex11": {"must": [{"key": "lex_filenum", "match": {"value": 11}}]},
}


class Data:
    """Vectors, queries and truths; the paths as Grape is given them."""

    def __init__(self, name):
        folder = pathlib.Path(name)
        self.name = folder.name
        if folder.is_dir():
            self.paths = [folder / "base.f16.npy", folder / "queries.f16.npy", folder / "truth_all.npy"]
            self.payload = folder / "payload.jsonl.gz"
            self.truths = {key: folder / f"truth_{key}.npy" for key in FILTERS}
            self.truths = {key: path for key, path in self.truths.items() if path.exists()}
        else:
            self.paths = [pathlib.Path(f"{name}.{part}.npy") for part in ("base", "query", "gt")]
            self.payload, self.truths = None, {}
        self.base, self.queries = (normalised(path) for path in self.paths[:2])
        self.truth = numpy.load(self.paths[2])

    def payloads(self):
        with gzip.open(self.payload, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


def normalised(path):
    vectors = numpy.load(path).astype(numpy.float32)
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


def recall(found, truth):
    hits = sum(len(set(row[:DEPTH]) & set(near[:DEPTH])) for row, near in zip(found, truth.tolist()))
    return hits / (DEPTH * len(truth))


def timed(body):
    wall, cpu = time.perf_counter(), time.process_time()
    result = body()
    return result, {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


def measured(settings, ask, queries, truth, rounds):
    """A point of recall and CPU for each setting; `ask(setting)` answers all queries."""
    points = []
    for _ in range(rounds):
        for place, setting in enumerate(settings):
            found = ask(setting)
            asked, cpu, wall = 0, time.process_time(), time.perf_counter()
            while asked == 0 or time.perf_counter() - wall < 0.7:
                ask(setting)
                asked += queries
            micros = (time.process_time() - cpu) / asked * 1e6
            if place == len(points):
                points.append({"ef": setting, "recall_at_10": recall(found, truth), "cpu_us_per_query": micros})
            points[place]["cpu_us_per_query"] = min(points[place]["cpu_us_per_query"], micros)
    return points


def grape(data, options, quantization, threads=1):
    command = [options.grape_bench, "index", "--json", "--metric", "cosine", "--base", data.paths[0], "--queries",
               data.paths[1], "--truth", data.paths[2], "--m", options.m, "--ef-construction", options.ef_construction,
               "--ef", ",".join(map(str, EFS)), "--threads", threads, "--rounds", options.rounds,
               "--quantization", quantization]
    if threads > 1:
        command += ["--passes", 0]
    elif data.truths:
        command += ["--payload", data.payload]
        for key, path in data.truths.items():
            command += ["--filter", f"{path}|{json.dumps(FILTERS[key])}"]
    output = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL).stdout
    report = json.loads(output)
    report["filters"] = dict(zip(data.truths, (part["points"] for part in report.get("filters", []))))
    return report


def hnswlib(data, options):
    import hnswlib as library
    index = library.Index(space="ip", dim=data.base.shape[1])
    index.init_index(max_elements=len(data.base), M=options.m, ef_construction=options.ef_construction, random_seed=1)
    _, build = timed(lambda: index.add_items(data.base, num_threads=1))

    def ask(ef):
        index.set_ef(max(ef, DEPTH))
        return index.knn_query(data.queries, k=DEPTH, num_threads=1)[0].tolist()
    return {"build": build, "points": measured(EFS, ask, len(data.queries), data.truth, options.rounds)}


def faiss(data, options):
    import faiss as library
    library.omp_set_num_threads(1)
    index = library.IndexHNSWFlat(data.base.shape[1], options.m, library.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = options.ef_construction
    _, build = timed(lambda: index.add(data.base))

    def ask(ef):
        index.hnsw.efSearch = ef
        return index.search(data.queries, DEPTH)[1].tolist()
    return {"build": build, "points": measured(EFS, ask, len(data.queries), data.truth, options.rounds)}


def faiss_binary(data, options):
    """Signs of the rotated vectors in a binary HNSW; the best are scored again with full vectors."""
    import faiss as library
    library.omp_set_num_threads(1)
    dimension = data.base.shape[1]
    rotation, _ = numpy.linalg.qr(numpy.random.default_rng(1).standard_normal((dimension, dimension)))
    rotation = rotation.astype(numpy.float32)

    def code(vectors):
        return numpy.packbits(vectors @ rotation > 0, axis=1)
    index = library.IndexBinaryHNSW(dimension, options.m)
    index.hnsw.efConstruction = options.ef_construction
    _, build = timed(lambda: index.add(code(data.base)))

    def ask(ef):
        index.hnsw.efSearch = ef
        _, near = index.search(code(data.queries), ef)
        scores = numpy.einsum("qd,qnd->qn", data.queries, data.base[near])
        best = numpy.argsort(-scores, axis=1)[:, :DEPTH]
        return numpy.take_along_axis(near, best, 1).tolist()
    efs = [ef for ef in EFS if ef >= 24] + [512, 768]
    return {"build": build, "points": measured(efs, ask, len(data.queries), data.truth, options.rounds)}


def qdrant(data, options, binary):
    import qdrant_edge as library
    config = library.EdgeConfig(
        vectors=library.EdgeVectorParams(size=data.base.shape[1], distance=library.Distance.Cosine),
        hnsw_config=library.HnswIndexConfig(
            m=options.m, ef_construct=options.ef_construction, full_scan_threshold=10_000, max_indexing_threads=1),
        quantization_config=library.BinaryQuantizationConfig(always_ram=True) if binary else None,
        optimizers=library.EdgeOptimizersConfig(
            default_segment_number=1, max_segment_size=1 << 30, indexing_threshold=1_000),
        max_search_threads=1)
    folder = tempfile.mkdtemp()
    shard = library.EdgeShard.create(folder, config)
    payloads = data.payloads() if data.truths else [{}] * len(data.base)
    for start in range(0, len(data.base), 1_000):
        shard.update(library.UpdateOperation.upsert_points([
            library.Point(row, data.base[row].tolist(), {key: payloads[row][key] for key in ("pos", "lex_filenum")
                                                         if key in payloads[row]})
            for row in range(start, min(start + 1_000, len(data.base)))]))
    if data.truths:
        schema = library.PayloadSchemaType
        shard.update(library.UpdateOperation.create_field_index("pos", schema.Keyword))
        shard.update(library.UpdateOperation.create_field_index("lex_filenum", schema.Integer))
    _, build = timed(shard.optimize)

    def asking(condition=None):
        conditions = condition and library.Filter(must=[library.FieldCondition(
            key=condition["key"], match=library.MatchValue(condition["match"]["value"]))])
        requests = {}

        def ask(setting):
            ef, oversampling = setting if isinstance(setting, tuple) else (setting, None)
            if setting not in requests:
                params = library.SearchParams(hnsw_ef=ef, quantization=library.QuantizationSearchParams(
                    rescore=True, oversampling=oversampling) if oversampling else None)
                requests[setting] = [
                    library.SearchRequest(query=library.Query.Nearest(query.tolist()), limit=DEPTH, params=params,
                                          filter=conditions) for query in data.queries]
            return [[hit.id for hit in shard.search(request)] for request in requests[setting]]
        return ask
    settings = [(ef, float(over)) for over in (8, 16, 32) for ef in (10, 128, 256, 512)] if binary else EFS
    points = measured(settings, asking(), len(data.queries), data.truth, options.rounds)
    filters = {} if binary else {
        key: measured(FILTER_EFS, asking(FILTERS[key]["must"][0]), len(data.queries), numpy.load(path), options.rounds)
        for key, path in data.truths.items()}
    shard.close()
    shutil.rmtree(folder)
    return {"build": build, "points": points, "filters": filters}


def frontier(points):
    """The points that no other beats in both recall and CPU, by recall."""
    best, kept = float("inf"), []
    for point in sorted(points, key=lambda point: -point["recall_at_10"]):
        if point["cpu_us_per_query"] < best:
            best = point["cpu_us_per_query"]
            kept.append(point)
    return kept[::-1]


def cpu_at(points, wanted):
    """CPU of a query at this recall, on the line between the two measured points around it; None outside them."""
    ordered = frontier(points)
    if ordered and ordered[0]["recall_at_10"] >= wanted:
        return ordered[0]["cpu_us_per_query"]
    for low, high in zip(ordered, ordered[1:]):
        if low["recall_at_10"] <= wanted <= high["recall_at_10"]:
            span = high["recall_at_10"] - low["recall_at_10"]
            share = (wanted - low["recall_at_10"]) / span if span else 0
            return low["cpu_us_per_query"] + share * (high["cpu_us_per_query"] - low["cpu_us_per_query"])
    return None


def print_tables(data, reports):
    print(f"\n{data.name}: {len(data.base):,} × {data.base.shape[1]}; CPU µs a query at recall@10, one thread")
    print(f"{'':28}" + "".join(f"{wanted:>9.2f}" for wanted in RECALLS) + f"{'build CPU s':>13}")
    for name, report in reports.items():
        cells = [cpu_at(report["points"], wanted) for wanted in RECALLS]
        print(f"{name:28}" + "".join(f"{cell:9.1f}" if cell else f"{'':9}" for cell in cells)
              + f"{report['build']['cpu_seconds']:13.1f}")
    for key, path in data.truths.items():
        truth = numpy.load(path, mmap_mode="r")
        print(f"\nunder {json.dumps(FILTERS[key])} ({key}, {len(truth)} queries): recall@10 at CPU µs")
        for name, report in reports.items():
            if report.get("filters", {}).get(key):
                cells = [f"ef {point['ef']}: {point['recall_at_10']:.3f} at {point['cpu_us_per_query']:.0f}"
                         for point in report["filters"][key] if point["ef"] in FILTER_EFS or point["ef"] in (96, 192)]
                print(f"{name:28}" + "   ".join(cells))


COLOURS = ("#6a1b9a", "#c2185b", "#1565c0", "#00838f", "#2e7d32", "#ef6c00", "#757575")


def picture(results):
    """Recall against speed, a panel for each set, as SVG."""
    width, height, margin = 560, 400, 56
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(results)}" height="{height}" '
             'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>']
    for panel, result in enumerate(results):
        lines = {name: frontier(report["points"]) for name, report in result["reports"].items()}
        speeds = [1e6 / point["cpu_us_per_query"] for line in lines.values() for point in line
                  if point["recall_at_10"] >= 0.85]
        low, high = numpy.log10(min(speeds)) - 0.05, numpy.log10(max(speeds)) + 0.05
        left, right, top, bottom = panel * width + margin, (panel + 1) * width - 16, 32, height - 44

        def place(point):
            share = (point["recall_at_10"] - 0.85) / 0.15
            speed = (numpy.log10(1e6 / point["cpu_us_per_query"]) - low) / (high - low)
            return f"{left + share * (right - left):.1f},{bottom - speed * (bottom - top):.1f}"
        parts.append(f'<text x="{left}" y="20">{result["name"]}: {result["rows"]:,} × {result["dimension"]}</text>')
        for mark in (0.85, 0.90, 0.95, 1.0):
            x = left + (mark - 0.85) / 0.15 * (right - left)
            parts.append(f'<path d="M{x:.1f} {top}V{bottom}" stroke="#ddd"/>'
                         f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{mark:.2f}</text>')
        for speed in (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000):
            if low <= numpy.log10(speed) <= high:
                y = bottom - (numpy.log10(speed) - low) / (high - low) * (bottom - top)
                parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>'
                             f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{speed:,}</text>')
        parts.append(f'<text x="{(left + right) / 2}" y="{height - 8}" text-anchor="middle">recall@10, against queries '
                     'a CPU second</text>')
        for number, (name, line) in enumerate(lines.items()):
            colour = COLOURS[number % len(COLOURS)]
            shown = [place(point) for point in line if point["recall_at_10"] >= 0.85]
            parts.append(f'<polyline points="{" ".join(shown)}" fill="none" stroke="{colour}" '
                         f'stroke-width="{2.5 if name.startswith("Grape") else 1.5}"/>'
                         f'<text x="{left + 8}" y="{bottom - 8 - 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--grape-bench", required=True)
    parser.add_argument("--data", required=True, action="append")
    parser.add_argument("--peers", default="hnswlib,faiss,qdrant", help="which to measure beside Grape")
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json")
    parser.add_argument("--svg")
    options = parser.parse_args()
    peers = set(options.peers.split(","))
    runs = {"Grape, quantised": lambda data: grape(data, options, "binary")}
    if "qdrant" in peers:
        runs["Qdrant edge, binary"] = lambda data: qdrant(data, options, binary=True)
    if "faiss" in peers:
        runs["faiss binary, rescored"] = lambda data: faiss_binary(data, options)
    runs["Grape"] = lambda data: grape(data, options, "none")
    if "hnswlib" in peers:
        runs["hnswlib"] = lambda data: hnswlib(data, options)
    if "qdrant" in peers:
        runs["Qdrant edge"] = lambda data: qdrant(data, options, binary=False)
    if "faiss" in peers:
        runs["faiss HNSW"] = lambda data: faiss(data, options)

    results = []

    def save():
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    for name in options.data:
        data = Data(name)
        reports = {}
        results.append({"name": data.name, "rows": len(data.base), "dimension": data.base.shape[1], "reports": reports})
        for peer, run in runs.items():
            print(f"{data.name}: {peer} ...", flush=True)
            reports[peer] = run(data)
            save()
        both = {quantization: grape(data, options, quantization, threads=2)["build"]["seconds"]
                for quantization in ("none", "binary")}
        print_tables(data, reports)
        print(f"\nbuild with two threads, seconds: {both['none']:.1f} unquantised, {both['binary']:.1f} quantised "
              f"(one: {reports['Grape']['build']['seconds']:.1f}, {reports['Grape, quantised']['build']['seconds']:.1f})")
        results[-1]["two_threads_build_seconds"] = both
        save()
    if options.svg:
        pathlib.Path(options.svg).write_text(picture(results))


if __name__ == "__main__":
    main()
