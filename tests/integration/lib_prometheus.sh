# Real Prometheus and Alertmanager for tests and the demo.  Sourced after lib.sh.
# shellcheck shell=bash

# serve_metrics FOLDER PORT: serves its files, one metrics page each, over HTTP.
serve_metrics() {
        start busybox httpd -f -p "127.0.0.1:$2" -h "$1"
        wait_port "$2" 10
}

# start_alertmanager CONFIG PORT: from build/servers, where it finds its templates.
start_alertmanager() {
        local data=$WORK/alertmanager.$2
        mkdir -p "$data"
        # shellcheck disable=SC2016
        start bash -c 'cd "$1" && exec usr/bin/prometheus-alertmanager --config.file="$2" --storage.path="$3" --web.listen-address="127.0.0.1:$4" --cluster.listen-address=' \
                _ "$SERVERS" "$1" "$data" "$2"
        wait_port "$2" 20
}

# start_prometheus CONFIG PORT [OPTION...]
start_prometheus() {
        local config=$1 port=$2
        shift 2
        start "$(program prometheus)" --config.file="$config" --storage.tsdb.path="$WORK/prometheus.$port" --web.listen-address="127.0.0.1:$port" \
                --log.level=warn "$@"
        wait_port "$port" 20
}

# wait_query PORT EXPRESSION [SECONDS]: until it has a result.
wait_query() {
        local i
        for ((i = 0; i < ${3:-20} * 10; i++)); do
                curl -sG "http://127.0.0.1:$1/api/v1/query" --data-urlencode "query=$2" | jq -e '.data.result | length > 0' >/dev/null 2>&1 && return 0
                sleep 0.1
        done
        echo "no result of $2"
        return 1
}
