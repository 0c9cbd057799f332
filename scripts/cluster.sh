#!/bin/sh
# Builds and starts three nodes on 127.0.0.1 (configs/local), waits until they are one cluster, and prints what to try.
# Run again it finds nodes that run and starts those that don't.
#
# Data and logs are in .grape-cluster; `make stop-cluster` stops the nodes and leaves the data.
set -eu
cd "$(dirname "$0")/.."
. scripts/demo_server.sh
home=.grape-cluster

# Ports of node N, each with the key that changes it.
ports() {
    sed -n 's/^\(rest_port\|grpc_port\|raft_port\|prometheus_port\) = \([0-9]*\)$/\1 \2/p' "configs/local/node$1.toml"
}

rest_url() { echo "http://127.0.0.1:$(ports "$1" | sed -n 's/^rest_port //p')"; }

# Says by name which port of the node another program holds; a server that finds out itself can only end.
require_free_ports() {
    ports "$1" | while read -r key port; do
        if python3 -c 'import socket, sys
with socket.socket() as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try: s.bind(("127.0.0.1", int(sys.argv[1])))
    except OSError: sys.exit(1)' "$port"; then continue; fi
        echo "Port $port, which node $1 needs, is in use: stop what listens there (ss -ltnp 'sport = :$port')," >&2
        echo "make stop-demo if it is the demo's node, or change $key in configs/local/node$1.toml." >&2
        exit 1
    done
}

start_node() {
    if [ -n "$(running_server "$home/node$1.pid")" ]; then
        echo "Node $1 is already running (process $(cat "$home/node$1.pid"))."
        return
    fi
    "$bin/grape-vector-db-server" --config "configs/local/node$1.toml" >"$home/node$1.log" 2>&1 </dev/null &
    echo $! >"$home/node$1.pid"
}

# Until every shard has a leader and three replicas that keep up: up to 30 s.
wait_until_whole() {
    tries=0
    until curl -fs --max-time 5 "$1/cluster/shards" 2>/dev/null | python3 -c 'import json, sys
rows = json.load(sys.stdin)["shards"]
sys.exit(not rows or any(row["health"] != "healthy" for row in rows))' 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -ge 150 ]; then
            echo "not every shard is healthy after 30 s; look at curl $1/cluster/shards and $home/node*.log" >&2
            return 1
        fi
        sleep 0.2
    done
}

scripts/setup.sh
echo "Building (the first time takes several minutes) ..."
swift build -c release --product grape-vector-db-server
bin=$(swift build -c release --show-bin-path)
mkdir -p "$home"
for node in 1 2 3; do
    [ -n "$(running_server "$home/node$node.pid")" ] || require_free_ports "$node"
done
for node in 1 2 3; do start_node "$node"; done
for node in 1 2 3; do
    wait_until_healthy "$(rest_url "$node")" "$(cat "$home/node$node.pid")" "$home/node$node.log"
done
one=$(rest_url 1) two=$(rest_url 2) three=$(rest_url 3)
wait_until_whole "$one"

cat <<TEXT

Three nodes are one cluster: $one $two $three (any of them takes any request).

  its state    curl $one/health
               curl $two/cluster/info
               curl $three/cluster/nodes
               curl $one/cluster/shards
  write        curl -X POST $one/vectors -H "Content-Type: application/json" \\
                 -d '{"id": "http_doc_1", "vector": [0.1, 0.2, 0.3], "payload": {"title": "HTTP客户端测试"}}'
  search       curl -X POST $two/vectors/search -H "Content-Type: application/json" \\
                 -d '{"vector": [0.1, 0.2, 0.3], "limit": 10}'
  lose a node  kill -9 \$(cat $home/node2.pid); curl $one/cluster/info
               curl $three/vectors/search -d '{"vector": [0.1, 0.2, 0.3], "limit": 5}'
               make cluster                     (starts it again)
  cut one off  kill -STOP \$(cat $home/node3.pid); curl $one/cluster/nodes; kill -CONT \$(cat $home/node3.pid)
  backup       curl -X POST $one/cluster/snapshot
               curl $one/cluster/backup/latest > cluster_backup.tar.gz
               curl $one/cluster/backup/verify
  compare      curl $one/cluster/consistency/check
  metrics      curl http://127.0.0.1:9090/metrics    curl http://127.0.0.1:7000/raft/metrics
  logs         $home/node1.log, node2.log, node3.log
  stop         make stop-cluster                (rm -r $home starts afresh)
TEXT
