#!/bin/sh
# Stops the demo's node; its data stay.
set -eu
cd "$(dirname "$0")/.."
. scripts/demo_server.sh
server=$(running_server data/demo/server.pid)
if [ -n "$server" ]; then
    stop_server "$server"
    echo "stopped process $server; its data stay in data/demo"
else
    echo "the demo's node is not running"
fi
rm -f data/demo/server.pid
