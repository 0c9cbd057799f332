#!/bin/sh
# Prints what a replicated write costs: three Grape nodes beside three members of Debian's etcd, on this machine.
#
# etcd is unpacked into .build, not installed: its package would start a server of its own.
#
#   GRAPE_BENCH_SECONDS   seconds of each measurement (10)
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh --cluster-bench

etcd=.build/bench-etcd/usr/bin/etcd
if [ ! -x "$etcd" ]; then
    echo "Fetching etcd for comparison ..."
    mkdir -p .build/bench-etcd
    (cd .build/bench-etcd && apt-get download -qq etcd-server && dpkg -x etcd-server_*.deb .)
fi
swift build -c release --product grape-vector-db-server
bin=$(swift build -c release --show-bin-path)
echo
echo "== writes of 3 KB by 64 concurrent clients, three nodes each"
python3 bench/compare_etcd.py --server "$bin/grape-vector-db-server" --etcd "$etcd" \
    --proto protos/grape/v1/grape.proto --seconds "${GRAPE_BENCH_SECONDS:-10}" "$@"
