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

# --- certificates: one is renewed 20 days before its end, one 30, one lives six days.
certificate() { # NAME LIFE LEAD, in days
        jq -n --arg name "$1" --arg from "$(date -u -d '1 day ago' +%FT%TZ)" --arg until "$(date -u -d "$(($2 - 1)) days" +%FT%TZ)" \
                --arg renewal "$(date -u -d "$(($2 - 1 - $3)) days" +%FT%TZ)" '
                {apiVersion: "cert-manager.io/v1", kind: "Certificate", metadata: {name: $name, namespace: "shop", creationTimestamp: $from},
                 spec: {secretName: "\($name)-tls", dnsNames: ["\($name).example"], issuerRef: {kind: "ClusterIssuer", name: "letsencrypt"}},
                 status: {conditions: [{type: "Ready", status: "True", reason: "Ready", message: "fine", lastTransitionTime: $from}],
                          notBefore: $from, notAfter: $until, renewalTime: $renewal, revision: 3}}'
}
certificates_are() { # FOLDER, certificates on standard input
        mkdir -p "$1"
        jq -s '{kind: "CertificateList", apiVersion: "cert-manager.io/v1", metadata: {resourceVersion: "1"}, items: .}' \
                >"$1/cert-manager.io-v1-certificates.json"
}
{ certificate late 90 20; certificate well 90 31; certificate mesh 6 2; } | certificates_are "$WORK/faulty"
certificate well 90 31 | certificates_are "$WORK/healthy"
check "the planted Certificates are valid" kubernetes_valid "$WORK/faulty"
steps=$(free_port) few=$(free_port)
step() { echo "{alert: Cert$1d, expr: \"certmanager_certificate_expiration_timestamp_seconds - time() < $(($1 * 86400))\", for: 1h}"; }
prometheus_with "$WORK/steps.yml" "$steps" "$(step 30)" "$(step 14)" "$(step 7)" "$(step 3)" "$(step 1)"
prometheus_with "$WORK/few.yml" "$few" "$(step 7)" "$(step 1)"
wait_query "$steps" 'up == 1'
wait_query "$few" 'up == 1'
kubernetes_start --objects "$WORK/faulty"
round renewal "cert_manager, alerts, renewal_alerts" "$steps"
check "renewed after the alert, with both numbers" has '.audit=="renewal_alerts" and .control=="CRT-1" and .status=="fail" and .resource.name=="shop/late" and (.observed|test("renewed 20 d before its end; alert Cert30d on metrics fires at 30 d")) and (.remedy|test("renewBefore"))'
check "six days of life: the rule must give way" has '.control=="CRT-2" and .resource.kind=="alert and renewal" and (.resource.name|test("^Cert30d: ")) and (.observed|test("shop/mesh.*lives 6 d"))'
check "the other one is no finding" jq -e '[.findings[] | select(.audit=="renewal_alerts" and .status=="fail" and (.resource.name|test("well")))] | length == 0' "$json"
kubernetes_start --objects "$WORK/healthy"
round renewed "cert_manager, alerts, renewal_alerts" "$steps"
check "rules at every step, renewed before: both pass" jq -e '[.findings[] | select(.audit=="renewal_alerts")] | length == 2 and all(.status == "pass")' "$json"
round unnoticed "cert_manager, alerts, renewal_alerts" "$few"
check "a renewal that fails would go unseen" has '.audit=="renewal_alerts" and .control=="CRT-2" and .status=="fail" and (.observed|test("the next alert is at 7 d"))'

finish
