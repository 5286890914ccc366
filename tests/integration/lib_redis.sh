# Real Redis servers for tests.  Sourced after lib.sh.
# shellcheck shell=bash

# redis_start PORT [OPTION...]: a server that lives in memory, with a folder of its own.
redis_start() {
        local port=$1
        shift
        mkdir -p "$WORK/redis-$port"
        start "$(program redis-server)" --port "$port" --save "" --dir "$WORK/redis-$port" "$@"
}

# redis_cli PORT WORD...
redis_cli() { "$(program redis-cli)" -p "$@"; }

# redis_cluster PORT...: a cluster of masters, until each of them says that it is well.
redis_cluster() {
        local port nodes=()
        for port in "$@"; do
                redis_start "$port" --cluster-enabled yes --cluster-port $((port + 1))
                nodes+=("127.0.0.1:$port")
        done
        for port in "$@"; do wait_port "$port"; done
        "$(program redis-cli)" --cluster create "${nodes[@]}" --cluster-yes >/dev/null 2>&1
        for port in "$@"; do
                for _ in $(seq 100); do redis_cli "$port" CLUSTER INFO | grep -q cluster_state:ok && break; sleep 0.1; done
        done
}

# redis_watch PORT: from now on every command that the server is sent goes to $WORK/monitor.txt.
redis_watch() {
        "$(program redis-cli)" -p "$1" MONITOR >"$WORK/monitor.txt" 2>/dev/null &
        PIDS+=($!)
        sleep 0.3
}

# redis_commands: the names of the commands seen so far, each once.
redis_commands() { awk -F'"' 'NF > 1 {print toupper($2)}' "$WORK/monitor.txt" | sort -u; }
