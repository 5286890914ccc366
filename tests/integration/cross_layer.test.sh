#!/bin/bash
# Layers that contradict each other, each healthy by itself: KEDA's thresholds and cert-manager's renewals in the cluster, the rules of a real
# Prometheus.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
. "$(dirname "$0")/lib_prometheus.sh"
need node prometheus jq

# prometheus_with FILE PORT RULE...: a Prometheus that watches itself, with one alert each, as YAML flow mappings.
prometheus_with() {
        local file=$1 port=$2 rule
        shift 2
        printf 'groups:\n  - name: kaireon\n    rules:\n' >"$file"
        for rule in "$@"; do printf '      - %s\n' "$rule"; done >>"$file"
        printf 'global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\nscrape_configs: [{job_name: self, static_configs: [{targets: ["127.0.0.1:%s"]}]}]\n' \
                "$file" "$port" >"$file.prometheus"
        start_prometheus "$file.prometheus" "$port"
}
# round NAME AUDITS PROMETHEUS_PORT: one run against the API server started last.
round() {
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: prod, kind: kubernetes, context: test, kubeconfig: [$KUBE_CONFIG], owner: platform, exclude_namespaces: [kube-*]}
  - {name: metrics, kind: prometheus, url: "http://127.0.0.1:$3", rules_of: [prod]}
jobs:
  nightly: {audits: [$2], report: {formats: [json], to: $WORK/$1}}
Y
        "$ROUNDS" run nightly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        json=$(ls "$WORK/$1"/nightly-*Z.json 2>/dev/null | head -n 1)
        [ -n "$json" ] || { cat "$WORK/$1.txt"; json=/dev/null; }
}
has() {
        jq -e "[.findings[] | select($1)] | length >= 1" "$json" >/dev/null ||
                { jq -c '.findings[] | [.audit,.control,.status,.reason,.resource.namespace,.resource.name,.observed,.message]' "$json"; return 1; }
}

# --- workers: the planted cluster, whose batch-jobs begins to scale at 200, beside the playbook's alert at 100.
strict=$(free_port) loose=$(free_port)
prometheus_with "$WORK/strict.yml" "$strict" '{alert: WorkerBacklog, expr: "kaireon_active_worker_jobs > 100", for: 5m, labels: {severity: critical}}'
prometheus_with "$WORK/loose.yml" "$loose" '{alert: WorkerBacklog, expr: "1000 < sum(kaireon_active_worker_jobs)", for: 5m, labels: {severity: critical}}'
wait_query "$strict" 'up == 1'
wait_query "$loose" 'up == 1'
kubernetes_start
round scaling "keda, alerts, scaling_alerts" "$strict"
check "scaling after the alert, with both numbers" has '.audit=="scaling_alerts" and .control=="WRK-1" and .status=="fail" and (.resource.name|test("batch-jobs")) and (.observed|test("begins at 200 waiting.*alert WorkerBacklog on metrics fires above 100")) and (.remedy|test("kubectl -n kaireon edit scaledobject batch-jobs: a threshold of"))'
check "its identity is not that of the scaler's own finding" jq -e '[.findings[] | select(.control=="WRK-1" and .status=="fail")] | (map(.fingerprint) | unique | length) == length and length > 1' "$json"
check "the rule itself leaves time" has '.audit=="scaling_alerts" and .control=="ALR-2" and .status=="pass"'
round patient "keda, alerts, scaling_alerts" "$loose"
check "beside an alert at 1000 it begins early" jq -e '[.findings[] | select(.audit=="scaling_alerts")] | length >= 1 and all(.status == "pass")' "$json"
check "nothing but GET was sent" kubernetes_only_reads
kubernetes_start --without keda.sh
round without "keda, alerts, scaling_alerts" "$strict"
check "without KEDA it is skipped, never passed" jq -e '[.findings[] | select(.audit=="scaling_alerts")] | length == 2 and all(.status == "skip")' "$json"
kubernetes_start --fault 'scaledobjects=403'
round denied "keda, alerts, scaling_alerts" "$strict"
check "scalers that may not be read are an error" has '.audit=="scaling_alerts" and .control=="WRK-1" and .status=="error"'

finish
