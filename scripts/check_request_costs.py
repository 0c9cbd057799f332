#!/usr/bin/env python3
"""Counts what requests and proposals cost a server in allocations, and in bytes that it asks the allocator for; fails
where they exceed what is written down.

    check_request_costs.py GRAPE_SERVER [--write]

A node with the sample answers one request after the other: searches over REST and gRPC, with payloads and without, gets and
upserts. Then three nodes take upserts, and what all of them do for one is a proposal's cost. What the same servers do in an
idle second is taken off. The counts depend on the code and the compiler, not on the machine. `--write` writes
bench/request_costs.json anew, some way above the counts: an allocation a candidate of a walk, or another copy of what a
request carries, is more than that. Linux with glibc; h2load for gRPC.
"""
import http.client
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True
from compare_etcd import field, free_ports, get, wait_until  # noqa: E402

LIMITS = ROOT / "bench" / "request_costs.json"
DIMENSION, POINTS = 768, 2_000
# As vectors of 768 numbers, a copy of what a request carries is 3 KB of the bytes counted.
REQUESTS, PROPOSALS = 500, 300
ROOM = {"allocations": 1.12, "bytes": 1.08}


class Node:
    """A server under the counting library."""

    def __init__(self, program, library, root, name, ports, *flags):
        self.rest, self.grpc, metrics = ports
        self.log = root / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program, "--server.data-dir", str(root / name), "--server.bind-address", "127.0.0.1",
                 "--server.rest-port", str(self.rest), "--server.grpc-port", str(self.grpc),
                 "--monitoring.prometheus-port", str(metrics), *flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | {"LD_PRELOAD": str(library)})

    def counts(self):
        """-> (allocations, bytes) so far."""
        seen = len(self.reports())
        self.process.send_signal(signal.SIGUSR2)
        wait_until("the server's count", lambda: len(self.reports()) > seen, 10)
        return self.reports()[-1]

    def reports(self):
        found = re.findall(rb"^allocations: (\d+) bytes: (\d+)$", self.log.read_bytes(), re.M)
        return [tuple(map(int, report)) for report in found]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def total(nodes):
    return [sum(parts) for parts in zip(*(node.counts() for node in nodes))]


def counted(nodes, count, run):
    """What the nodes do for one of the `count` requests that `run` makes, without what they do anyway.

    Twice, and the least of both: into one idle second, or one run, a checkpoint or a flush may fall.
    """
    idle, spent = [], []
    for _ in range(2):
        before, began = total(nodes), time.monotonic()
        time.sleep(1.5)
        between, begun = total(nodes), time.monotonic()
        run()
        after, ended = total(nodes), time.monotonic()
        idle.append([(late - early) / (begun - began) for early, late in zip(before, between)])
        spent.append((ended - begun, [late - early for early, late in zip(between, after)]))
    return {unit: min(amounts[place] - min(rates[place] for rates in idle) * seconds for seconds, amounts in spent) / count
            for place, unit in enumerate(("allocations", "bytes"))}


def vector(number):
    """Numbers that look random, and are the same in every run."""
    state, values = number * 2_654_435_761 + 1, []
    for _ in range(DIMENSION):
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2 ** 64
        values.append(round((state >> 40) / 2 ** 23 - 1, 6))
    return values


def call(connection, method, path, body=None):
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{method} {path}: {answer.status} {text[:500]}")


def rest(nodes, port, count, requests):
    """Requests: of a number the method, path and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    made = [requests(number) for number in range(count + 50)]
    for request in made[count:]:
        call(connection, *request)  # warm

    def run():
        for request in made[:count]:
            call(connection, *request)
    found = counted(nodes, count, run)
    connection.close()
    return found


def grpc(node, root, path, message):
    body = root / "message"
    body.write_bytes(b"\0" + struct.pack(">I", len(message)) + message)

    def run(count):
        output = subprocess.run(
            ["h2load", "-n", str(count), "-c", "1", "-m", "1", "-d", str(body), "-H", "content-type: application/grpc",
             "-H", "te: trailers", f"http://127.0.0.1:{node.grpc}{path}"], capture_output=True, text=True, check=True)
        if f"{count} succeeded" not in output.stdout:
            sys.exit(f"{path}: {output.stdout[-1000:]}")
    run(50)
    return counted([node], REQUESTS, lambda: run(REQUESTS))


def point(number, id=None):
    return {"id": number if id is None else id, "vector": vector(number), "payload": {"number": number, "text": "x" * 80}}


def search_body(number, with_payload):
    return json.dumps({"vector": vector(-number - 1), "limit": 10, "ef": 64, "with_payload": with_payload})


def search_message(with_payload):
    floats = struct.pack(f"<{DIMENSION}f", *vector(-1))
    return field(2, floats) + bytes([4 << 3, 10, 8 << 3, int(with_payload), 10 << 3, 64])


def start(program, library, root):
    node = Node(program, library, root, "single", free_ports(3), "--vector.binary-quantization", "true")
    wait_until("the server is healthy", lambda: '"ok"' in get(f"http://127.0.0.1:{node.rest}/health", 5))
    return node


def single(program, library, root):
    node = start(program, library, root)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", node.rest)
        for first in range(0, POINTS, 100):
            batch = {"vectors": [point(number) for number in range(first, first + 100)]}
            call(connection, "POST", "/vectors/batch", json.dumps(batch))
        connection.close()
        wait_until("all points are indexed", lambda: json.loads(
            get(f"http://127.0.0.1:{node.rest}/stats"))["indexed_points"] >= POINTS, 120)
        # So that rows lie in tables, where most of them do.
        node.stop()
        node = start(program, library, root)
        found = {}
        for name, with_payload in (("search with payloads", True), ("search", False)):
            found[f"{name}, REST"] = rest([node], node.rest, REQUESTS, lambda number: (
                "POST", "/vectors/search", search_body(number, with_payload)))
            found[f"{name}, gRPC"] = grpc(node, root, "/grape.v1.Grape/Search", search_message(with_payload))
        found["empty call, gRPC"] = grpc(node, root, "/grpc.health.v1.Health/Check", b"")
        found["get, REST"] = rest([node], node.rest, REQUESTS, lambda number: (
            "GET", f"/vectors/{number % POINTS}"))
        # Below the number from which on points are linked: what the index does later is counted by check_costs.py.
        found["upsert, REST"] = rest([node], node.rest, PROPOSALS, lambda number: (
            "POST", "/vectors", json.dumps(point(number, f"new-{number}"))))
        return found
    finally:
        node.stop()


def three(program, library, root):
    ports = free_ports(12)
    raft = ports[9:]
    peers = ",".join(f"node-{i + 1}@127.0.0.1:{port}" for i, port in enumerate(raft))
    nodes = [Node(program, library, root, f"node-{i + 1}", ports[i * 3:i * 3 + 3], "--cluster.node-id", f"node-{i + 1}",
                  "--cluster.node-address", f"127.0.0.1:{ports[i * 3 + 1]}", "--cluster.raft-port", str(raft[i]),
                  "--cluster.raft-address", f"127.0.0.1:{raft[i]}", "--cluster.cluster-token", "costs",
                  "--cluster.initial-peers", peers) for i in range(3)]
    try:
        def is_whole(node):
            text = get(f"http://127.0.0.1:{node.rest}/cluster/shards", 5)
            rows = json.loads(text)["shards"] if text else []
            return rows and all(row["health"] == "healthy" for row in rows)
        wait_until("the cluster is healthy", lambda: all(map(is_whole, nodes)))
        return {"proposal, three nodes": rest(nodes, nodes[0].rest, PROPOSALS, lambda number: (
            "POST", "/vectors", json.dumps(point(number))))}
    finally:
        for node in nodes:
            node.stop()


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        library = root / "count.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, ROOT / "bench" / "count_allocations.c"],
                       check=True)
        program = str(pathlib.Path(sys.argv[1]).resolve())
        found = single(program, library, root) | three(program, library, root)
    if "--write" in sys.argv[2:]:
        LIMITS.write_text(json.dumps({name: {unit: round(count * ROOM[unit]) for unit, count in costs.items()}
                                      for name, costs in found.items()}, indent=1) + "\n")
    limits = json.loads(LIMITS.read_text())
    exceeded = []
    for name, costs in found.items():
        print(f"{name:28}" + "   ".join(f"{count:10,.0f} {unit}, at most {limits[name][unit]:,}"
                                        for unit, count in costs.items()))
        exceeded += [f"{name} ({unit})" for unit, count in costs.items() if count > limits[name][unit]]
    if exceeded:
        sys.exit(f"more than bench/request_costs.json allows: {', '.join(exceeded)}")


if __name__ == "__main__":
    main()
