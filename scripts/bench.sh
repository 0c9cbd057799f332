#!/bin/sh
# Prints what Grape does: its index beside hnswlib, faiss and Qdrant's engine, then a server loaded and searched over REST,
# then that server beside those of chromadb and milvus-lite (bench_server.sh).
# With --index only the first, whose figures are also in .build/bench-index.json and, as a picture, in .build/bench-index.svg.
#
#   GRAPE_BENCH_DATA   directory with base.f16.npy, payload.jsonl.gz, queries.f16.npy, truth_all.npy
#                      (../shared/data/wordnet if it is there, else the sample)
#   GRAPE_BENCH_PORT   REST port of the server that is measured (6533; metrics take the one behind it)
set -eu
cd "$(dirname "$0")/.."
. scripts/demo_server.sh
scripts/setup.sh --bench

data=${GRAPE_BENCH_DATA:-../shared/data/wordnet}
[ -f "$data/base.f16.npy" ] || data=bench/sample
swift build -c release --product grape-vector-db-server
swift build -c release --product grape-bench
bin=$(swift build -c release --show-bin-path)

venv=.build/bench-venv
if ! "$venv/bin/python" -c 'import faiss, hnswlib, numpy, qdrant_edge' 2>/dev/null; then
    echo "Setting up hnswlib, faiss and Qdrant's engine for comparison ..."
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check setuptools wheel numpy hnswlib faiss-cpu qdrant-edge-py
fi

echo
echo "== index, in process ($data)"
"$venv/bin/python" bench/compare_index.py --grape-bench "$bin/grape-bench" --data "$data" \
    --json .build/bench-index.json --svg .build/bench-index.svg
[ "${1:-}" != --index ] || exit 0

home=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || stop_server "$server"
    rm -rf "$home"
}
trap finish EXIT
trap 'exit 130' INT TERM

port=${GRAPE_BENCH_PORT:-6533}
url=http://127.0.0.1:$port
start() {
    "$bin/grape-vector-db-server" --server.data-dir "$home/db" --server.bind-address 127.0.0.1 \
        --server.rest-port "$port" --server.grpc-port 0 --monitoring.prometheus-port "$((port + 1))" --index.backlog-limit 0 \
        >>"$home/server.log" 2>&1 </dev/null &
    server=$!
    wait_until_healthy "$url" "$server" "$home/server.log"
}
start

search() { "$bin/grape-bench" search --endpoint "$url" --queries "$data/queries.f16.npy" "$@"; }
count() { curl -fs "$url/stats" | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

echo
echo "== load over REST, every batch synced"
"$bin/grape-bench" load --endpoint "$url" --base "$data/base.f16.npy" --payload "$data/payload.jsonl.gz" --batch 100
curl -fs "http://127.0.0.1:$((port + 1))/metrics" | awk -v points="$(count points)" \
    '$1 == "grape_wal_syncs_total" { printf "%d syncs of the log, %.4f a point\n", $2, $2 / points }'

echo
echo "== until the graph holds all points"
waited=0
while [ "$(count indexed_points)" -lt "$(count points)" ] && [ "$waited" -lt 600 ]; do
    sleep 1
    waited=$((waited + 1))
done
echo "$(count indexed_points) of $(count points) points after $waited s more"

echo
echo "== search over REST"
search --truth "$data/truth_all.npy" --ef 32,64,100,128,256 --duration 5
echo
echo "== exact search over REST"
search --truth "$data/truth_all.npy" --exact --duration 5

for part in 'verb|{"must":[{"key":"pos","match":{"value":"verb"}}]}' \
    'lex5|{"must":[{"key":"lex_filenum","match":{"value":5}}]}' \
    'lex11|{"must":[{"key":"lex_filenum","match":{"value":11}}]}'; do
    [ -f "$data/truth_${part%%|*}.npy" ] || continue
    echo
    echo "== search under the filter ${part#*|}"
    search --truth "$data/truth_${part%%|*}.npy" --filter "${part#*|}" --ef 64,100 --duration 5
done

echo
echo "== restart after kill -9"
kill -9 "$server"
wait "$server" 2>/dev/null || true
before=$(date +%s%N)
start
echo "healthy after $((($(date +%s%N) - before) / 1000000)) ms with $(count points) points, $(count indexed_points) in the graph"

stop_server "$server"
server=
echo
echo "== beside other servers"
GRAPE_BENCH_DATA=$data scripts/bench_server.sh
