# Functions for a server that runs in the background; sourced by demo.sh, stop_demo.sh and bench.sh.

# Whether the process with this id is a Grape server (ids are given anew by the system).
is_grape_server() {
    [ -n "$1" ] && [ -e "/proc/$1/exe" ] && case $(readlink "/proc/$1/exe") in *grape-vector-db-server*) true ;; *) false ;; esac
}

# The id in a pid file if its server lives, else nothing.
running_server() {
    [ -f "$1" ] || return 0
    server=$(cat "$1")
    if is_grape_server "$server"; then echo "$server"; fi
}

# wait_until_healthy URL PID LOG: up to 30 s.
wait_until_healthy() {
    tries=0
    until curl -fs -o /dev/null --max-time 2 "$1/health"; do
        tries=$((tries + 1))
        if ! kill -0 "$2" 2>/dev/null || [ "$tries" -ge 150 ]; then
            echo "the server did not become healthy; the end of $3:" >&2
            tail -n 5 "$3" >&2
            return 1
        fi
        sleep 0.2
    done
}

# stop_server PID: asks it to finish, and waits up to 30 s for its end.
stop_server() {
    kill -TERM "$1" 2>/dev/null || return 0
    tries=0
    while kill -0 "$1" 2>/dev/null && is_grape_server "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 150 ] || { echo "process $1 does not stop" >&2; return 1; }
        sleep 0.2
    done
}
