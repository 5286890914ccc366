#!/bin/bash
# Memory limits against what containers use: by metrics.k8s.io over several runs, by a real Prometheus at once; OOM kills.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
. "$(dirname "$0")/lib_prometheus.sh"
need node jq prometheus busybox curl

# headroom_run [SETTINGS]: one run against the server that was started last; its store is kept.
headroom_run() { kubernetes_run headroom "${1:-}" "  - {name: metrics, kind: prometheus, url: \"http://127.0.0.1:$METRICS\"}"; }

METRICS=$(free_port)

kubernetes_start
headroom_run
check "without metrics-server and Prometheus it is skipped" has '.control=="API-3" and .status=="skip" and (.message|test("metrics-server is not installed"))'

# What metrics-server says of the recorded pods: the API near its limit, the worker far below.
F=$WORK/objects
mkdir -p "$F"
metrics() { # API-MIB WORKER-MIB
        recorded core-pods | jq --arg a "${1}Mi" --arg w "$(($2 * 1024))Ki" '{kind: "PodMetricsList", apiVersion: "metrics.k8s.io/v1beta1", metadata: {}, items: [.items[] | select(.status.phase == "Running") |
                {metadata: {name: .metadata.name, namespace: .metadata.namespace}, timestamp: "2026-11-24T01:09:00Z", window: "15s",
                 containers: [{name: "main", usage: {cpu: "10m", memory: (if (.metadata.name | startswith("kaireon-api-")) then $a else $w end)}}]}]}' >"$F/metrics.k8s.io-v1beta1-pods.json"
}
metrics 950 100
kubernetes_start --objects "$F"
headroom_run
check "a limit too near what is used now fails at once" has '.control=="API-3" and .status=="fail" and .severity=="SEV2" and .resource.kind=="Deployment" and .resource.name=="kaireon-api/main" and (.observed|test("OOM-killed in 1 of 3 pods.*limit 1.0 GiB, 1.08 x the peak of 950 MiB")) and (.remedy|test("--limits=memory=1536Mi"))'
check "what looks well is no pass before there is a history" has '.control=="API-3" and .status=="error" and .reason=="too-little-data" and .resource.kind=="history"'
check "and nothing passes" bash -c "! jq -e '.findings[] | select(.status == \"pass\")' '$json'"
check "use stands in the inventory" jq -e '.inventory.memory[] | select(.id == "Deployment kaireon/kaireon-worker/main" and .used == 104857600 and .limit == 1073741824 and .pods == 4)' "$json"
check "nothing but GET was sent" kubernetes_only_reads

# A Prometheus that knows a peak that is over, of a pod that is gone.
cat >"$WORK/page" <<'M'
container_memory_working_set_bytes{namespace="kaireon",pod="kaireon-worker-5c9f8d7b64-x2x2x",container="main"} 1020054732
container_memory_working_set_bytes{namespace="kaireon",pod="kaireon-api-87f5dcd4-575g7",container="main"} 209715200
container_memory_working_set_bytes{namespace="kaireon",pod="kaireon-api-87f5dcd4-575g7",container=""} 909715200
container_memory_working_set_bytes{namespace="kaireon",pod="kaireon-ml-worker-69f56c9c95-k4hl6",container="main"} 509715200
container_memory_working_set_bytes{namespace="kaireon",pod="kaireon-redis-0",container="main"} 109715200
M
PAGES=$(free_port)
mkdir -p "$WORK/pages"
mv "$WORK/page" "$WORK/pages/metrics"
serve_metrics "$WORK/pages" "$PAGES"
cat >"$WORK/prometheus.yml" <<Y
global: {scrape_interval: 1s}
scrape_configs: [{job_name: cadvisor, honor_labels: true, metrics_path: /metrics, static_configs: [{targets: ["127.0.0.1:$PAGES"]}]}]
Y
start_prometheus "$WORK/prometheus.yml" "$METRICS"
wait_query "$METRICS" 'container_memory_working_set_bytes{container="main"}'
metrics 200 100
jq '.items |= map(if .metadata.name == "kaireon-outbox-publisher-5cd6d546b6-68sql" then .status.containerStatuses = [{name: "main", restartCount: 4, ready: true, state: {running: {}},
        lastState: {terminated: {exitCode: 137, reason: "OOMKilled", finishedAt: (now - 3600 | todate)}}}] else . end)' <(recorded core-pods) >"$F/core-v1-pods.json"
kubernetes_start --objects "$F"
headroom_run ', prometheus: metrics'
check "a peak of a pod that is gone counts for its workload" has '.control=="API-3" and .status=="fail" and .resource.name=="kaireon-worker/main" and (.observed|test("1.05 x the peak of 973 MiB"))'
check "a container that was killed" has '.control=="API-3" and .status=="fail" and .resource.name=="kaireon-outbox-publisher/main" and (.observed|test("OOM-killed in 1 of 3 pods, last 1 h ago"))'
check "with the past a limit that is well passes" has '.control=="API-3" and .status=="pass" and (.observed|test("^1 of [0-9]+ containers"))'
check "a limit over four times the peak is listed" jq -e '.inventory.memory[] | select(.id == "Deployment kaireon/kaireon-api/main" and .wasteful)' "$json"

kubernetes_start --objects "$F" --fault 'metrics.k8s.io/v1beta1/pods=403'
headroom_run
check "refused metrics are an error with the rule to add" has '.control=="API-3" and .status=="error" and .reason=="denied" and (.remedy|test("metrics.k8s.io"))'
headroom_run ', prometheus: nowhere'
check "a Prometheus that is no target is a mistake of the configuration" [ "$status" -eq 3 ]
check "which says so" grep -q 'no target "nowhere" of kind prometheus' "$WORK/$KUBE_RUN.out"
finish
