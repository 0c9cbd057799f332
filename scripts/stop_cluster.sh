#!/bin/sh
# Stops the nodes that cluster.sh started; their data stay.
set -eu
cd "$(dirname "$0")/.."
. scripts/demo_server.sh
home=.grape-cluster
running=
for node in 1 2 3; do
    server=$(running_server "$home/node$node.pid")
    [ -z "$server" ] || running="$running $server"
done
# A node that was paused hears nothing until it goes on. All are asked before one is waited for: the last ones would
# else wait for a majority that is gone.
for server in $running; do kill -CONT "$server" 2>/dev/null || true; kill -TERM "$server" 2>/dev/null || true; done
for server in $running; do
    stop_server "$server"
    echo "stopped process $server"
done
if [ -n "$running" ]; then echo "the data stay in $home"; else echo "no node of the cluster is running"; fi
rm -f "$home"/node?.pid
