#!/usr/bin/env python3
"""Grape's server beside those of chromadb and milvus-lite, over the network, on this machine, one after the other.

    compare_server.py --server grape-vector-db-server --grape-bench grape-bench --data DIR [--json F] [--svg F]
    compare_server.py --server … --grape-bench … --million PREFIX [--directory DIR]

The first form loads the same vectors into each by batches of 100 with 8 clients, then searches with 8 clients at the least
effort whose recall@10 is 0.95, then asks Grape in an open loop at shares of its highest rate. The second loads a million
vectors of gen768.py (PREFIX.base.npy, .query.npy, .gt.npy) into one server, searches over REST and gRPC, and starts it
again, with a warm and, as root, with a cold page cache. All CPU is that of the server's processes.

Grape takes loads without waiting for its index (index.backlog_limit is 0), so that a burst and the time until all is indexed
are told apart.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy

from measured_servers import BATCH, Chroma, Grape, Milvus, fetch

RECALL = 0.95
EFFORTS = {"Grape": (16, 20, 24, 32, 48, 64), "Chroma": (16, 32, 64, 128), "milvus-lite": (16, 32, 64, 128)}
RATES = (0.3, 0.5, 0.7, 0.85, 0.95)
CLIENT_COUNTS = (1, 3)
SINGLE_POINTS = 20_000


class Data:
    """Vectors, queries and truth of a folder; the arrays are opened in each process."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.name = folder.name
        self.base_path, self.query_path = folder / "base.f16.npy", folder / "queries.f16.npy"
        self.truth_path, self.payload = folder / "truth_all.npy", folder / "payload.jsonl.gz"

    def open(self, with_base=True):
        if with_base:
            self.base = self.unit(self.base_path)
        self.queries, self.truth = self.unit(self.query_path), numpy.load(self.truth_path)
        return self

    @staticmethod
    def unit(path):
        vectors = numpy.load(path).astype(numpy.float32)
        return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if not isinstance(value, numpy.ndarray)}


class Million(Data):
    def __init__(self, prefix):
        self.name = pathlib.Path(prefix).name
        self.base_path, self.query_path = f"{prefix}.base.npy", f"{prefix}.query.npy"
        self.truth_path, self.payload = f"{prefix}.gt.npy", None

    def open(self):
        self.base = numpy.load(self.base_path, mmap_mode="r")
        return self


# ---- beside others -----------------------------------------------------------------------------------------------

def measure_search(server, data, seconds):
    """The least effort that has the recall, with 8 clients, and the same with fewer."""
    points = []
    for effort in EFFORTS[server.name]:
        points.append(server.search(data, effort, seconds))
        if points[-1]["recall"] >= RECALL:
            break
    best = points[-1]
    closed = [server.search(data, best["effort"], seconds, clients=count) | {"clients": count}
              for count in CLIENT_COUNTS] + [best | {"clients": 8}]
    return {"search": best, "efforts": points, "closed_loop": closed}


def measure_grape(server, data, seconds):
    found = {"load": server.load(data)} | measure_search(server, data, seconds)
    highest, ef = found["search"]["searches_per_second"], found["search"]["effort"]
    found["open_loop"] = [server.search(data, ef, seconds, rate=highest * share) | {"share": share, "rate": highest * share}
                          for share in RATES]
    found["grpc"] = server.search(data, ef, seconds, protocol="grpc")
    found["grpc_empty_cpu_us"] = empty_call(server, seconds)
    # Into other collections, so that the points are new as they were when the highest rate was measured.
    found["single"] = server.load(data, "--rows", SINGLE_POINTS, "--collection", "single", batch=1)
    found["writes_at_70"] = {
        "batches of 100": at_share(server, data, found["load"], "second", len(data.base), BATCH),
        "single points": at_share(server, data, found["single"], "single-due", SINGLE_POINTS, 1)}
    return found


def at_share(server, data, closed, collection, rows, batch, share=0.7, rounds=3):
    """Writes when they are due, at a share of the highest rate: of a few rounds that with the median p95."""
    rate = closed["burst_points_per_second"] * share
    found = [server.load(data, "--rate", rate, "--rows", rows, "--collection", f"{collection}-{number}", batch=batch)
             for number in range(rounds)]
    return sorted(found, key=lambda point: point["p95_ms"])[rounds // 2] | {
        "rate": round(rate), "p95_ms_of_rounds": [point["p95_ms"] for point in found]}


def measure_other(server, data, seconds, load_seconds):
    load = server.load(data, load_seconds)
    server.load_rest(data)
    return {"load": load} | measure_search(server, data, seconds)


def empty_call(server, seconds):
    """CPU of the server for a unary call without content, µs; None without h2load."""
    if not shutil.which("h2load"):
        return None
    body = server.root / "empty"
    body.write_bytes(bytes(5))  # a message of no bytes: not compressed, length zero
    command = ["h2load", "-D", str(seconds), "-c", "8", "-m", "1", "-t", "1", "-d", str(body), "-H",
               "content-type: application/grpc", "-H", "te: trailers",
               f"http://127.0.0.1:{server.grpc}/grpc.health.v1.Health/Check"]
    cpu = server.cpu()
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    count = int(output.split(" succeeded")[0].split()[-1])
    return round((server.cpu() - cpu) / count * 1e6, 1)


def compare(options):
    data = Data(options.data).open()
    results = {}
    print(f"{data.name}: {len(data.base):,} × {data.base.shape[1]}, 8 clients", flush=True)
    makers = {
        "grape": lambda root: Grape(root, options.server, options.grape_bench, ["--vector.binary-quantization", "true"]),
        "chroma": Chroma, "milvus": Milvus}
    for name in options.servers.split(","):
        root = pathlib.Path(tempfile.mkdtemp(prefix="grape-server-"))
        try:
            with makers[name](root) as server:
                print(f"{server.name} ...", flush=True)
                results[server.name] = measure_grape(server, data, options.seconds) if name == "grape" else \
                    measure_other(server, data, options.seconds, options.load_seconds)
        except (ImportError, FileNotFoundError) as error:
            print(f"{name} is left out: {error}")
        finally:
            shutil.rmtree(root, ignore_errors=True)
        report = {"data": data.name, "rows": len(data.base), "dimension": data.base.shape[1], "servers": results}
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print_tables(results)
    return report


def table(head, rows):
    lines = [head] + [[("-" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row]
                      for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in lines)


def print_tables(results):
    print("\nsearch at recall@10 of at least 0.95")
    print(table(["server", "effort", "recall", "searches/s", "p50 ms", "p95 ms", "server CPU µs", "client CPU µs"], [
        [name, *(found["search"][key] for key in (
            "effort", "recall", "searches_per_second", "p50_ms", "p95_ms", "cpu_us", "client_cpu_us"))]
        for name, found in results.items()]))
    print("\npoints in, by batches of 100")
    print(table(
        ["server", "points", "burst/s", "for s", "sustained/s", "for s", "p95 ms", "fsyncs/point", "CPU µs", "indexed",
         "disk/vector"], [
            [name, *(found["load"][key] for key in (
                "points", "burst_points_per_second", "burst_seconds", "sustained_points_per_second", "sustained_seconds",
                "p95_ms", "syncs_per_point", "cpu_us_per_point", "cpu_us_per_point_indexed",
                "disk_bytes_per_vector_byte"))] for name, found in results.items()]))
    if "Grape" not in results:
        return
    grape = results["Grape"]
    print("\nGrape, searches when they are due (open loop, 8 connections)")
    print(table(["of the highest", "searches/s", "p50 ms", "p95 ms", "p99 ms"], [
        [f"{point['share']:.0%}", round(point["rate"]), point["p50_ms"], point["p95_ms"], point["p99_ms"]]
        for point in grape["open_loop"]]))
    print()
    for name, writes in grape["writes_at_70"].items():
        print(f"Grape, {name} when they are due, at 70 % of the highest rate ({writes['rate']:,} points/s): p50 "
              f"{writes['p50_ms']} ms, p95 {writes['p95_ms']} ms, in each round {writes['p95_ms_of_rounds']}")
    print(f"Grape over gRPC: {grape['grpc']['searches_per_second']:,} searches/s, {grape['grpc']['cpu_us']} µs, of which "
          f"an empty unary call {grape['grpc_empty_cpu_us']} µs")
    for name, found in results.items():
        if name != "Grape":
            searches = grape["search"]["searches_per_second"] / found["search"]["searches_per_second"]
            points = grape["load"]["sustained_points_per_second"] / found["load"]["sustained_points_per_second"]
            print(f"Grape answers {searches:.1f} times as many searches as {name}, and takes {points:.1f} times as many "
                  "points in until all are indexed")


# ---- a million ---------------------------------------------------------------------------------------------------

def million(options):
    data = Million(options.million).open()
    kept = options.directory is not None
    root = pathlib.Path(options.directory or tempfile.mkdtemp(prefix="grape-million-"))
    root.mkdir(parents=True, exist_ok=True)
    flags = ["--vector.binary-quantization", "true", "--index.m", "32", "--index.ef-construction", "400"]
    server = Grape(root, options.server, options.grape_bench, flags, name="million")
    found = {}
    try:
        is_loaded = (root / "loaded").exists()
        with server:
            if not is_loaded:
                found["load"] = server.load(data)
                (root / "loaded").touch()
            server.settle()
            found["resident_after_load"] = server.resident()
            found |= million_searches(server, data, options)
            found["resident_after_searches"] = server.resident()
        if options.restart:
            found["restart"] = restarts(server, data, options)
    finally:
        if not kept:
            shutil.rmtree(root, ignore_errors=True)
    print_million(found)
    return {"data": data.name, "rows": len(data.base), "dimension": data.base.shape[1]} | found


def million_searches(server, data, options):
    found = {"rest": [], "grpc": []}
    server.search(data, 64, 2)
    for protocol in found:
        for ef in options.ef:
            found[protocol].append(server.search(data, ef, options.seconds, protocol=protocol))
    return found | {"grpc_empty_cpu_us": empty_call(server, options.seconds)}


def restarts(server, data, options):
    """Seconds from the start of the process until /health says yes, and the first searches after it."""
    found = {}
    for name in ("warm", "cold"):
        if name == "cold":
            if os.geteuid() != 0:
                continue
            os.sync()
            pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        begin = time.monotonic()
        with server:
            found[name] = {"seconds": round(time.monotonic() - begin, 2), "cpu_seconds": round(server.cpu(), 1),
                           "search": server.search(data, options.ef[0], 5), "resident": server.resident(),
                           "stats": json.loads(fetch(f"{server.url}/stats"))["indexed_points"]}
    return found


def print_million(found):
    print("\na million × 768, m 32, efConstruction 400, binary quantisation, 8 clients")
    print(table(["protocol", "ef", "recall", "server CPU µs", "searches/s", "p50 ms", "p95 ms"], [
        [protocol, point["effort"], point["recall"], point["cpu_us"], point["searches_per_second"], point["p50_ms"],
         point["p95_ms"]] for protocol in ("rest", "grpc") for point in found[protocol]]))
    print(f"an empty unary call {found['grpc_empty_cpu_us']} µs; resident {found['resident_after_load'] / 2**30:.2f} GiB "
          f"after the load, {found['resident_after_searches'] / 2**30:.2f} after the searches")
    if "load" in found:
        print(json.dumps(found["load"]))
    for name, start in found.get("restart", {}).items():
        print(f"restart, page cache {name}: healthy after {start['seconds']} s ({start['cpu_seconds']} s of CPU), "
              f"{start['stats']:,} points in the graph, then recall {start['search']['recall']} at "
              f"{start['search']['cpu_us']} µs")


# ---- picture -----------------------------------------------------------------------------------------------------

COLOURS = {"Grape": "#6a1b9a", "Chroma": "#ef6c00", "milvus-lite": "#1565c0"}


def picture(results):
    """p95 against rate, both in powers: closed loop with 1 to 8 clients, and Grape's open loop dashed."""
    width, height, left, right, top, bottom = 640, 420, 64, 620, 36, 370
    lines = {(name, ""): [(p["searches_per_second"], p["p95_ms"]) for p in found["closed_loop"]]
             for name, found in results.items()}
    if "Grape" in results:
        lines["Grape", "4 4"] = [(p["rate"], p["p95_ms"]) for p in results["Grape"]["open_loop"]]
    lines = {key: [(max(rate, 0.1), latency) for rate, latency in line] for key, line in lines.items()}
    points = numpy.log10(numpy.array([point for line in lines.values() for point in line]))
    low, high = numpy.floor(points.min(axis=0) * 2) / 2, numpy.ceil(points.max(axis=0) * 2) / 2

    def place(rate, latency):
        share = (numpy.log10([rate, latency]) - low) / (high - low)
        return left + share[0] * (right - left), bottom - share[1] * (bottom - top)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
             'font-size="12"><rect width="100%" height="100%" fill="white"/>',
             f'<text x="{left}" y="20">searches at recall@10 ≥ 0.95: p95 in ms, against searches a second</text>']
    for exponent in range(-3, 6):
        for digit in (1, 3):
            mark = digit * 10.0 ** exponent
            if 10 ** low[0] <= mark <= 10 ** high[0]:
                x = place(mark, 10 ** low[1])[0]
                parts.append(f'<path d="M{x:.1f} {top}V{bottom}" stroke="#ddd"/>'
                             f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{mark:,g}</text>')
            if 10 ** low[1] <= mark <= 10 ** high[1]:
                y = place(10 ** low[0], mark)[1]
                parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>'
                             f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>')
    for number, ((name, dash), line) in enumerate(lines.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        label = f"{name}, open loop" if dash else f"{name}, 1 to 8 clients"
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2" '
                     f'stroke-dasharray="{dash}"/><text x="{left + 8}" y="{top + 16 * (number + 1)}" '
                     f'fill="{COLOURS[name]}">{label}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--grape-bench", required=True)
    parser.add_argument("--data", help="folder with base.f16.npy, queries.f16.npy, truth_all.npy, payload.jsonl.gz")
    parser.add_argument("--servers", default="grape,chroma,milvus", help="which to measure")
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement of searches")
    parser.add_argument("--load-seconds", type=int, default=60, help="of the others' measured load")
    parser.add_argument("--million", help="prefix of the files of gen768.py")
    parser.add_argument("--directory", help="keeps the data of a million here, for the next run")
    parser.add_argument("--ef", type=lambda text: [int(part) for part in text.split(",")], default=[48, 56, 64, 80],
                        help="of the million")
    parser.add_argument("--no-restart", dest="restart", action="store_false")
    parser.add_argument("--json")
    parser.add_argument("--svg")
    options = parser.parse_args()
    result = million(options) if options.million else compare(options)
    if options.json and options.million:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    if options.svg and not options.million:
        pathlib.Path(options.svg).write_text(picture(result["servers"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
