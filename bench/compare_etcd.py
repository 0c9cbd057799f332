#!/usr/bin/env python3
"""Replicated writes of 3 KB: three Grape nodes beside three etcd members, on this machine, one after the other.

    compare_etcd.py --server grape-vector-db-server --etcd etcd --proto protos/grape/v1/grape.proto [--seconds 10]

Both are driven over gRPC by the same tool, h2load: 16 processes with 4 streams each, spread over the three nodes, each
process with a key (a point) of its own. Grape's points are chosen so that each lies in another shard. Durable writes on
both sides. Prints writes a second, latency, CPU of the server processes a write (Grape's index threads apart: moving
points into the graph comes after the write), and syncs of the log a write, all members together.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

DIMENSION = 768  # 3,072 bytes as 32-bit floats
MEMBERS = 3
PROCESSES = 16
STREAMS = 4
BATCH = 100
TICKS = os.sysconf("SC_CLK_TCK")


# ---- processes ---------------------------------------------------------------------------------------------------

def free_ports(count):
    """Below the range of outgoing connections, where none of them can get in the way."""
    found = []
    while len(found) < count:
        port = random.randrange(12_000, 31_000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found


def get(url, timeout=60):
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return ""


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def wait_until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def metric(text, name):
    """The sum over all labels of a metric in Prometheus' text form."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))


def cpu_seconds(stat):
    """User and system time of a stat file of /proc; the name in it may hold spaces."""
    try:
        fields = pathlib.Path(stat).read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


class Members:
    """Three server processes with their directories; ended and removed with the block."""

    def __init__(self, root):
        self.root, self.processes = root, []

    def run(self, name, command):
        log = open(self.root / f"{name}.log", "wb")
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    def cpu(self):
        """-> (all threads, threads of the index), seconds.

        The index works on the thread pools, whose threads are named TP-#; while only writes come nothing else does.
        """
        whole = sum(cpu_seconds(f"/proc/{process.pid}/stat") for process in self.processes)
        index = 0.0
        for process in self.processes:
            for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*"):
                try:
                    if (task / "comm").read_text().startswith("TP-#"):
                        index += cpu_seconds(task / "stat")
                except OSError:
                    continue
        return whole, index


class Etcd(Members):
    name = "etcd"
    path = "/etcdserverpb.KV/Put"

    def __init__(self, root, program):
        super().__init__(root)
        ports = free_ports(2 * MEMBERS)
        self.clients, peers = ports[:MEMBERS], ports[MEMBERS:]
        cluster = ",".join(f"m{i}=http://127.0.0.1:{port}" for i, port in enumerate(peers))
        for i in range(MEMBERS):
            client, peer = f"http://127.0.0.1:{self.clients[i]}", f"http://127.0.0.1:{peers[i]}"
            self.run(f"etcd-{i}", [
                program, "--name", f"m{i}", "--data-dir", str(root / f"etcd-{i}"), "--log-level", "error",
                "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
                "--initial-cluster-state", "new", "--quota-backend-bytes", str(8 << 30)])
        wait_until("etcd is healthy", lambda: all(
            '"health":"true"' in get(f"http://127.0.0.1:{port}/health", 5) for port in self.clients))

    def bodies(self):
        """PutRequest{key = 1, value = 2}, one for each load process."""
        return [field(1, f"key-{i}".encode()) + field(2, random.randbytes(4 * DIMENSION)) for i in range(PROCESSES)]

    def counters(self):
        """-> (requests that succeeded, syncs of all logs, requests that failed)."""
        pages = [get(f"http://127.0.0.1:{port}/metrics") for port in self.clients]
        return (max(metric(page, "etcd_debugging_mvcc_put_total") for page in pages),
                sum(metric(page, "etcd_disk_wal_fsync_duration_seconds_count") for page in pages),
                sum(metric(page, "etcd_server_proposals_failed_total") for page in pages))


class Grape(Members):
    name = "Grape"

    def __init__(self, root, program, proto):
        super().__init__(root)
        self.proto = proto
        ports = free_ports(4 * MEMBERS)
        self.clients, self.rest, raft, self.metrics = (ports[i * MEMBERS:][:MEMBERS] for i in range(4))
        peers = ",".join(f"node-{i + 1}@127.0.0.1:{port}" for i, port in enumerate(raft))
        for i in range(MEMBERS):
            self.run(f"grape-{i}", [
                program, "--server.data-dir", str(root / f"grape-{i}"), "--server.bind-address", "127.0.0.1",
                "--server.rest-port", str(self.rest[i]), "--server.grpc-port", str(self.clients[i]),
                "--monitoring.prometheus-port", str(self.metrics[i]), "--cluster.node-id", f"node-{i + 1}",
                "--cluster.node-address", f"127.0.0.1:{self.clients[i]}", "--cluster.raft-port", str(raft[i]),
                "--cluster.raft-address", f"127.0.0.1:{raft[i]}", "--cluster.cluster-token", "bench",
                "--cluster.initial-peers", peers, "--vector.binary-quantization", "true",
                "--index.backlog-limit", "0"])
        wait_until("Grape is healthy", lambda: all(self.is_whole(port) for port in self.rest))
        self.ids = self.one_id_a_shard()

    @staticmethod
    def is_whole(port):
        text = get(f"http://127.0.0.1:{port}/cluster/shards", 5)
        rows = json.loads(text)["shards"] if text else []
        return rows and all(row["health"] == "healthy" for row in rows)

    def one_id_a_shard(self):
        found = {}
        for number in range(2_000):
            vector = [random.gauss(0, 1) for _ in range(DIMENSION)]
            answer = post(f"http://127.0.0.1:{self.rest[0]}/vectors", {"id": f"key-{number}", "vector": vector})
            found.setdefault(answer["shard"], f"key-{number}")
            if len(found) == PROCESSES:
                break
        return list(found.values())

    def bodies(self):
        self.path = "/grape.v1.Grape/Upsert"
        return [self.encode("Upsert", f"point {{ {self.point(id)} }}") for id in self.ids]

    def batches(self):
        """Points of all shards, as a loader sends them."""
        self.path = "/grape.v1.Grape/UpsertBatch"
        return [self.encode("UpsertBatch", " ".join(
            f"points {{ {self.point(f'batch-{process}-{i}')} }}" for i in range(BATCH))) for process in range(PROCESSES)]

    def point(self, id):
        return f'{self.id_text(id)} vector: [{", ".join(f"{random.gauss(0, 1):.6f}" for _ in range(DIMENSION))}]'

    def id_text(self, id):
        """The id as the message of the shipped proto file wants it."""
        return f'id {{ text: "{id}" }}'

    def encode(self, call, text):
        """A request in text form as bytes, by the shipped proto file."""
        source = self.proto.read_text()
        message = re.search(rf"rpc\s+{call}\s*\(\s*([\w.]+)\s*\)", source).group(1)
        package = re.search(r"^package\s+([\w.]+);", source, re.M).group(1)
        full = message if "." in message else f"{package}.{message}"
        root = self.proto.parents[2]
        result = subprocess.run(["protoc", f"-I{root}", f"--encode={full}", str(self.proto)], input=text.encode(),
                                capture_output=True)
        if result.returncode:
            raise SystemExit(f"{call}: {result.stderr.decode()}")
        return result.stdout

    def counters(self):
        pages = [get(f"http://127.0.0.1:{port}/metrics") for port in self.metrics]
        counts = {True: 0.0, False: 0.0}
        for page in pages:
            for line in page.splitlines():
                if line.startswith("grape_request_duration_seconds_count") and 'protocol="grpc"' in line:
                    succeeded = re.search(r'code="(200|0|ok)"', line, re.I) is not None
                    counts[succeeded] += float(line.rsplit(" ", 1)[1])
        return counts[True], sum(metric(page, "grape_wal_syncs_total") for page in pages), counts[False]


def field(number, value):
    """A length-delimited field of a protobuf message."""
    length, size = b"", len(value)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


# ---- load --------------------------------------------------------------------------------------------------------

def load(members, bodies, seconds, root):
    """-> the latencies of all answers, in milliseconds."""
    runs = []
    for number, body in enumerate(bodies):
        # A gRPC message: not compressed, its length, itself.
        (root / f"body-{number}").write_bytes(b"\0" + struct.pack(">I", len(body)) + body)
        (root / f"times-{number}").unlink(missing_ok=True)
        port = members.clients[number % MEMBERS]
        runs.append(subprocess.Popen([
            "h2load", "-D", str(seconds), "--warm-up-time", "1", "-c", "1", "-m", str(STREAMS), "-t", "1",
            "-d", str(root / f"body-{number}"), "-H", "content-type: application/grpc", "-H", "te: trailers",
            f"--log-file={root / f'times-{number}'}", f"http://127.0.0.1:{port}{members.path}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    outputs = [run.communicate(timeout=seconds + 60)[0].decode() for run in runs]
    for output in outputs:
        failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", output)
        if not failed or any(int(count) for count in failed.groups()):
            raise SystemExit(f"{members.name}: h2load says\n{output}")
    times = []
    for number in range(len(bodies)):
        lines = (root / f"times-{number}").read_text().splitlines()
        times += [int(line.split()[2]) / 1000 for line in lines]
    return times


def measure(members, bodies, seconds, root, values=1):
    """Values: how many a request writes."""
    load(members, bodies, 2, root)
    begin_count, begin_syncs, begin_failures = members.counters()
    begin_cpu, begin_index = members.cpu()
    begin = time.monotonic()
    times = load(members, bodies, seconds, root)
    elapsed = time.monotonic() - begin
    cpu, index = members.cpu()
    count, syncs, failures = members.counters()
    applied = (count - begin_count) * values
    if not applied:
        raise SystemExit(f"{members.name} has not answered one write with success ({failures - begin_failures:.0f} failed)")
    times.sort()
    return {
        "system": members.name, "values_per_request": values, "writes_per_second": round(applied / elapsed),
        "p50_ms": round(times[len(times) // 2], 2), "p95_ms": round(times[len(times) * 95 // 100], 2),
        "p99_ms": round(times[len(times) * 99 // 100], 2),
        "cpu_us_per_write": round((cpu - begin_cpu - (index - begin_index)) / applied * 1e6, 1),
        "index_cpu_us_per_write": round((index - begin_index) / applied * 1e6, 1),
        "syncs_per_write": round((syncs - begin_syncs) / applied, 3),
        "failed": round(failures - begin_failures),
    }


def table(rows):
    names = list(rows[0])
    lines = [names] + [[str(row[name]) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, type=pathlib.Path)
    parser.add_argument("--etcd", required=True, type=pathlib.Path)
    parser.add_argument("--proto", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--only", choices=["etcd", "grape"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix="grape-etcd-"))
    rows = []
    try:
        if options.only != "grape":
            with Etcd(root, options.etcd) as members:
                rows.append(measure(members, members.bodies(), options.seconds, root))
        if options.only != "etcd":
            with Grape(root, options.server, options.proto.resolve()) as members:
                rows.append(measure(members, members.bodies(), options.seconds, root))
                rows.append(measure(members, members.batches(), options.seconds, root, BATCH))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(rows) if options.json else table(rows))
    if len(rows) == 3 and not options.json:
        etcd, single, batch = rows
        print(f"\nGrape writes {single['writes_per_second'] / etcd['writes_per_second']:.2f} times as many values a "
              f"second as etcd, {batch['writes_per_second'] / etcd['writes_per_second']:.1f} times by batches of "
              f"{BATCH}; CPU a write {single['cpu_us_per_write'] / etcd['cpu_us_per_write']:.2f} times etcd's, "
              f"p95 {single['p95_ms'] / etcd['p95_ms']:.2f} times.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
