#!/bin/sh
# Prints what a Grape server does over the network, with the servers of chromadb and milvus-lite beside it on this machine.
# The figures are also in .build/bench-server.json and, as a picture, in .build/bench-server.svg.
#
#   scripts/bench_server.sh              the same vectors in each: searches and points a second, p95 against rate
#   scripts/bench_server.sh --million    one Grape server with 1,000,000 × 768: recall, CPU, memory, restarts (as root also
#                                        with a cold page cache); in .build/bench-million.json
#
#   GRAPE_BENCH_DATA      directory with base.f16.npy, payload.jsonl.gz, queries.f16.npy, truth_all.npy
#                         (../shared/data/wordnet if it is there, else the sample)
#   GRAPE_BENCH_SECONDS   seconds of each measurement (8)
#   GRAPE_BENCH_MILLION   prefix of PREFIX.base.npy, .query.npy, .gt.npy; made by gen768.py where they are not there
#   GRAPE_BENCH_GEN768    that program (../shared/data/gen768.py)
#   GRAPE_BENCH_KEEP      directory in which the server with the million stays, for the next run
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh --server-bench

swift build -c release --product grape-vector-db-server
swift build -c release --product grape-bench
bin=$(swift build -c release --show-bin-path)

# The other servers have a good many packages: not in the environment that the index is compared in.
venv=.build/server-venv
"$venv/bin/python" -c 'import numpy' 2>/dev/null || python3 -m venv "$venv"
pip() { "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
"$venv/bin/python" -c 'import numpy' 2>/dev/null || pip numpy

seconds=${GRAPE_BENCH_SECONDS:-8}
run() {
    PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" bench/compare_server.py --server "$bin/grape-vector-db-server" \
        --grape-bench "$bin/grape-bench" --seconds "$seconds" "$@"
}

if [ "${1:-}" = --million ]; then
    shift
    prefix=${GRAPE_BENCH_MILLION:-.build/gen768-1m}
    if [ ! -f "$prefix.gt.npy" ]; then
        echo "Generating 1,000,000 × 768 ..."
        "$venv/bin/python" "${GRAPE_BENCH_GEN768:-../shared/data/gen768.py}" 1000000 "$prefix"
    fi
    run --million "$prefix" ${GRAPE_BENCH_KEEP:+--directory "$GRAPE_BENCH_KEEP"} --json .build/bench-million.json "$@"
    exit 0
fi

data=${GRAPE_BENCH_DATA:-../shared/data/wordnet}
[ -f "$data/base.f16.npy" ] || data=bench/sample
for peer in chromadb milvus-lite pymilvus; do
    "$venv/bin/pip" show --quiet "$peer" 2>/dev/null || {
        echo "Setting up $peer for comparison ..."
        pip "$peer" || echo "$peer can't be installed: it is left out"
    }
done
run --data "$data" --json .build/bench-server.json --svg .build/bench-server.svg "$@"
