"""Servers that compare_server.py measures: started as processes of their own, asked over the network, ended with the block.

Each has `load` (batches of 100 by 8 clients), `settle` (until all points are in its index) and `search`. Grape is driven by
grape-bench; the others by their own Python clients, one process a client, so that no client waits for another's
interpreter lock. Answers are compared with the truth after the clock has stopped.
"""
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

from compare_etcd import cpu_seconds, free_ports, metric

BATCH, CLIENTS = 100, 8
SYNCS = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync"


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def quantile(times, share):
    """Milliseconds."""
    return round(sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1e3, 3) if times else None


def recall(found, truth):
    """Found: of a query's number the ids. The share of the true ten that are among them."""
    hits = sum(len(set(ids[:10]) & set(truth[query][:10].tolist())) for query, ids in found.items())
    return round(hits / (10 * len(found)), 4) if found else 0.0


class Server:
    """A process with its directory."""

    def __init__(self, root):
        self.root, self.process = pathlib.Path(root), None
        self.log = self.root / f"{self.name}.log"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, command):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)

    def wait(self, ready, seconds=60):
        end = time.monotonic() + seconds
        while True:
            try:
                return ready()
            except Exception as error:  # whatever a client says of a server that is not there yet
                if self.process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{self.name} did not start: {error}\n{self.log.read_text()[-2000:]}") from error
            time.sleep(0.01)

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu(self):
        return cpu_seconds(f"/proc/{self.process.pid}/stat")

    def written(self):
        """Bytes that went to the disk so far."""
        text = pathlib.Path(f"/proc/{self.process.pid}/io").read_text()
        return int(re.search(r"^write_bytes: (\d+)", text, re.M).group(1))

    def resident(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+)", text, re.M).group(1)) * 1024

    def counting_syncs(self):
        """Counts calls of fsync and fdatasync until `synced` is asked; needs perf and the right to trace."""
        self.counter = None if shutil.which("perf") is None else subprocess.Popen(
            ["perf", "stat", "-x", ",", "-e", SYNCS, "-p", str(self.process.pid)], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)

    def synced(self):
        if self.counter is None:
            return None
        self.counter.send_signal(signal.SIGINT)
        counts = re.findall(r"^(\d+),[^,]*,syscalls", self.counter.communicate()[1], re.M)
        return sum(map(int, counts)) if counts else None

    def measured_load(self, points, load):
        """Figures of `load`, which returns (points, seconds, latencies' quantiles), and what the server spent on it."""
        self.counting_syncs()
        time.sleep(0.5)
        cpu, written, begin = self.cpu(), self.written(), time.monotonic()
        count, seconds, latency = load()
        burst_cpu = self.cpu()
        syncs = self.synced()
        self.settle(count)
        whole = time.monotonic() - begin
        return {"points": count, "burst_points_per_second": round(count / seconds), "burst_seconds": round(seconds, 1),
                "sustained_points_per_second": round(count / whole), "sustained_seconds": round(whole, 1), **latency,
                "syncs_per_point": None if syncs is None else round(syncs / count, 4),
                "cpu_us_per_point": round((burst_cpu - cpu) / count * 1e6, 1),
                "cpu_us_per_point_indexed": round((self.cpu() - cpu) / count * 1e6, 1),
                "disk_bytes_per_vector_byte": round((self.written() - written) / (count * points.shape[1] * 4), 2)}


class Grape(Server):
    name = "Grape"

    def __init__(self, root, server, bench, flags=(), name=None):
        if name:
            self.name = name
        super().__init__(root)
        self.server, self.bench, self.flags = server, bench, list(flags)
        self.rest, self.grpc, self.metrics = free_ports(3)
        self.url = f"http://127.0.0.1:{self.rest}"

    def start(self):
        self.run([self.server, "--server.data-dir", self.root / f"{self.name}.db", "--server.bind-address", "127.0.0.1",
                  "--server.rest-port", self.rest, "--server.grpc-port", self.grpc, "--monitoring.prometheus-port",
                  self.metrics, "--index.backlog-limit", "0", *self.flags])
        self.wait(lambda: fetch(f"{self.url}/health"), 600)

    def tool(self, *arguments):
        result = subprocess.run([str(part) for part in (self.bench, *arguments, "--json")], capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"grape-bench {' '.join(map(str, arguments))}: {result.stderr[-2000:]}")
        return json.loads(result.stdout)

    def load(self, data, *more, batch=BATCH):
        def run():
            report = self.tool("load", "--endpoint", self.url, "--base", data.base_path, "--batch", batch, "--clients",
                               CLIENTS, *(("--payload", data.payload) if data.payload else ()), *more)
            figures = report["load"]
            return report["rows"], figures["seconds"], {name: figures[name] for name in ("p50_ms", "p95_ms", "p99_ms")}
        return self.measured_load(data.base, run)

    def settle(self, _=None):
        while True:
            stats = json.loads(fetch(f"{self.url}/stats"))
            if stats["indexed_points"] >= stats["points"]:
                return
            time.sleep(0.25)

    def search(self, data, ef, seconds, clients=CLIENTS, rate=None, protocol="rest"):
        port = self.grpc if protocol == "grpc" else self.rest
        report = self.tool("search", "--endpoint", f"http://127.0.0.1:{port}", "--queries", data.query_path, "--truth",
                           data.truth_path, "--ef", ef, "--duration", seconds, "--clients", clients, "--protocol",
                           protocol, *(("--rate", rate) if rate else ()))
        point = report["points"][0]
        return {"effort": ef, "recall": point["recall_at_10"], "searches_per_second": round(point["qps"]),
                "cpu_us": point["cpu_us_per_query"], "client_cpu_us": point["client_cpu_us_per_query"],
                "p50_ms": point["p50_ms"], "p95_ms": point["p95_ms"], "p99_ms": point["p99_ms"]}

    def log_syncs(self):
        return metric(fetch(f"http://127.0.0.1:{self.metrics}/metrics"), "grape_wal_syncs_total")


class PythonServer(Server):
    """A server whose clients are processes that run `connect`, `insert` and `ask` of the subclass."""

    def load(self, data, seconds=None):
        """For at most so many seconds by batches of 100; the rest follows in larger ones and is not measured."""
        def run():
            results = self.clients(CLIENTS, _insert, data, seconds)
            self.left = sorted(row for *_, left in results for row in left)
            times = [time for _, times, *_ in results for time in times]
            return sum(count for count, *_ in results), max(end for _, _, end, _ in results), {
                "p50_ms": quantile(times, 0.5), "p95_ms": quantile(times, 0.95), "p99_ms": quantile(times, 0.99)}
        return self.measured_load(data.base, run)

    def load_rest(self, data):
        """What the measured time was too short for."""
        client = self.connect(self.port)
        for start in range(0, len(self.left), 1_000):
            rows = self.left[start:start + 1_000]
            self.insert(client, rows, data.base[rows])
        if self.left:
            self.settle(len(data.base))

    def search(self, data, effort, seconds, clients=CLIENTS):
        self.set_effort(effort)
        results = self.clients(clients, _search, data, seconds, effort)
        cpu = self.cpu() - self.begun_cpu
        times = [time for _, times, _ in results for time in times]
        found = {query: ids for answers, _, _ in results for query, ids in answers.items()}
        return {"effort": effort, "recall": recall(found, data.truth),
                "searches_per_second": round(len(times) / seconds), "cpu_us": round(cpu / len(times) * 1e6, 1),
                "client_cpu_us": round(sum(spent for _, _, spent in results) / len(times) * 1e6, 1),
                "p50_ms": quantile(times, 0.5), "p95_ms": quantile(times, 0.95), "p99_ms": quantile(times, 0.99)}

    def clients(self, count, work, data, *arguments):
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(count + 1), context.Queue()
        processes = [context.Process(target=_client, args=(work, type(self), self.port, data, number, count, barrier,
                                                           results, arguments)) for number in range(count)]
        for process in processes:
            process.start()
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            pass  # a client failed, and says so itself
        self.begun_cpu = self.cpu()
        answers = [results.get() for _ in processes]
        for process in processes:
            process.join()
        failed = [answer for answer in answers if isinstance(answer, str)]
        if failed:
            raise SystemExit(f"{self.name}: a client failed: {failed[0]}")
        return answers

    def set_effort(self, effort):
        pass


def _client(work, server, port, data, number, count, barrier, results, arguments):
    try:
        client = server.connect(port)
        data.open(with_base=work is _insert)
        if work is _search:
            work(server, client, data, number, count, 1, *arguments[1:])  # warm
        barrier.wait()
        results.put(work(server, client, data, number, count, *arguments))
    except Exception as error:  # the parent can't see it otherwise
        barrier.abort()
        results.put(f"{type(error).__name__}: {error}")


def _insert(server, client, data, number, count, seconds):
    begin, times, done, left = time.monotonic(), [], 0, []
    for start in range(number * BATCH, len(data.base), count * BATCH):
        if seconds and time.monotonic() - begin > seconds:
            left += range(start, min(start + BATCH, len(data.base)))
            continue
        vectors = data.base[start:start + BATCH]
        before = time.monotonic()
        server.insert(client, range(start, start + len(vectors)), vectors)
        times.append(time.monotonic() - before)
        done += len(vectors)
        end = time.monotonic() - begin
    return done, times, end, left


def _search(server, client, data, number, count, seconds, effort):
    begin, cpu, times, answers, query = time.monotonic(), time.process_time(), [], {}, number
    while time.monotonic() - begin < seconds:
        place = query % len(data.queries)
        before = time.monotonic()
        found = server.ask(client, data.queries[place], effort)
        times.append(time.monotonic() - before)
        answers.setdefault(place, found)
        query += count
    return answers, times, time.process_time() - cpu


class Chroma(PythonServer):
    name = "Chroma"
    settings = {"space": "cosine", "ef_construction": 200, "max_neighbors": 16}

    def start(self):
        self.port = free_ports(1)[0]
        program = pathlib.Path(os.sys.executable).parent / "chroma"
        self.run([program, "run", "--path", self.root / "chroma", "--host", "127.0.0.1", "--port", self.port])
        client = self.wait(lambda: self.client(self.port))
        client.create_collection("bench", configuration={"hnsw": self.settings | {"ef_search": 100}},
                                 embedding_function=None)

    @staticmethod
    def client(port):
        import chromadb
        from chromadb.config import Settings
        return chromadb.HttpClient(host="127.0.0.1", port=port, settings=Settings(anonymized_telemetry=False))

    @classmethod
    def connect(cls, port):
        return cls.client(port).get_collection("bench", embedding_function=None)

    @staticmethod
    def insert(collection, ids, vectors):
        collection.upsert(ids=[str(id) for id in ids], embeddings=vectors)

    @staticmethod
    def ask(collection, query, _):
        return [int(id) for id in collection.query(query_embeddings=[query], n_results=10, include=[])["ids"][0]]

    def set_effort(self, effort):
        self.connect(self.port).modify(configuration={"hnsw": {"ef_search": effort}})

    def settle(self, count):
        """Its index takes writes over when it is asked."""
        collection = self.connect(self.port)
        collection.query(query_embeddings=[[1.0] * len(collection.peek(1)["embeddings"][0])], n_results=1, include=[])



class Milvus(PythonServer):
    name = "milvus-lite"

    def start(self):
        self.port = free_ports(1)[0]
        program = pathlib.Path(os.sys.executable).parent / "milvus-lite"
        self.run([program, "server", "--data-dir", self.root / "milvus", "--host", "127.0.0.1", "--port", self.port])
        self.wait(self.greet)

    def greet(self):
        client = self.connect(self.port)
        client.list_collections()
        # Its client pings an idle connection more often than its server allows.
        client.close()

    def create(self, dimension):
        from pymilvus import DataType
        client = self.connect(self.port)
        schema, index = client.create_schema(auto_id=False), client.prepare_index_params()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        index.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 200})
        client.create_collection("bench", schema=schema, index_params=index)
        client.close()

    def load(self, data, seconds=None):
        self.create(data.base.shape[1])
        return super().load(data, seconds)

    @staticmethod
    def connect(port):
        from pymilvus import MilvusClient
        return MilvusClient(uri=f"http://127.0.0.1:{port}")

    @staticmethod
    def insert(client, ids, vectors):
        client.insert("bench", [{"id": id, "vector": vector} for id, vector in zip(ids, vectors)])

    @staticmethod
    def ask(client, query, effort):
        hits = client.search("bench", data=[query], limit=10, output_fields=["id"],
                             search_params={"params": {"ef": effort}})[0]
        return [hit["id"] for hit in hits]

    def settle(self, count):
        """A flush takes longer than its server lets an idle connection live: then it is asked again."""
        from pymilvus.exceptions import MilvusException
        pending = True
        while pending:
            client = self.connect(self.port)
            try:
                client.flush("bench", timeout=3600)
                pending = client.describe_index("bench", "vector")["pending_index_rows"] > 0
            except MilvusException:
                time.sleep(1)
            finally:
                client.close()
