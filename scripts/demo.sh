#!/bin/sh
# Starts one node in the background, loads the sample and shows searches. Run again it finds the node running.
#
# GRAPE_DEMO_PORT chooses the REST port (6333); gRPC and metrics keep their defaults unless configured through
# GRAPE_SERVER_GRPC_PORT and GRAPE_MONITORING_PROMETHEUS_PORT.
set -eu
cd "$(dirname "$0")/.."
. scripts/demo_server.sh
scripts/setup.sh

echo "Building (the first time takes several minutes) ..."
swift build -c release --product grape-vector-db-server
swift build -c release --product grape-bench
bin=$(swift build -c release --show-bin-path)

port=${GRAPE_DEMO_PORT:-6333}
url=http://127.0.0.1:$port
home=data/demo
mkdir -p "$home"
server=$(running_server "$home/server.pid")
if [ -n "$server" ]; then
    echo "A node is already running (process $server)."
    url=$(cat "$home/url")
else
    if curl -s -o /dev/null --max-time 2 "$url/"; then
        echo "Something else answers at $url already; choose another port: GRAPE_DEMO_PORT=7333 make demo" >&2
        exit 1
    fi
    "$bin/grape-vector-db-server" --server.data-dir "$home/db" --server.bind-address 127.0.0.1 \
        --server.rest-port "$port" >"$home/server.log" 2>&1 </dev/null &
    server=$!
    echo "$server" >"$home/server.pid"
    echo "$url" >"$home/url"
fi
wait_until_healthy "$url" "$server" "$home/server.log"

points=$(curl -fs "$url/stats" | python3 -c 'import json, sys; print(json.load(sys.stdin)["points"])')
if [ "$points" -lt 3000 ]; then
    "$bin/grape-bench" load --endpoint "$url" --base bench/sample/base.f16.npy \
        --payload bench/sample/payload.jsonl.gz
fi
echo
python3 scripts/demo_search.py "$url" bench/sample "$home/query.json"
dashboard=
if curl -fs -o /dev/null --max-time 5 "$url/dashboard"; then
    dashboard="
  dashboard  $url/dashboard"
fi
cat <<TEXT
The node goes on running (process $server, data and log in $home).
  REST       $url          e.g. curl $url/stats$dashboard
  search     curl -s $url/vectors/search -d @$home/query.json
  stop       make stop-demo
TEXT
