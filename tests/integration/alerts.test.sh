#!/bin/bash
# Alert rules on a real Prometheus with a real Alertmanager: right, looser, stricter, absent, impossible, unhealthy, unrouted, silenced;
# a server without data; one that is well.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_prometheus.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need prometheus promtool prometheus-alertmanager busybox jq curl node sqlite3

mkdir -p "$WORK/pages"
cat >"$WORK/pages/app" <<'M'
# TYPE kaireon_decision_latency_ms histogram
kaireon_decision_latency_ms_bucket{channel="web",le="50"} 90
kaireon_decision_latency_ms_bucket{channel="web",le="100"} 95
kaireon_decision_latency_ms_bucket{channel="web",le="1000"} 99
kaireon_decision_latency_ms_bucket{channel="web",le="+Inf"} 100
kaireon_decision_latency_ms_sum{channel="web"} 5000
kaireon_decision_latency_ms_count{channel="web"} 100
kaireon_dlq_depth{tenant="acme"} 3
kaireon_dlq_depth{tenant="zeta"} 4
pgbouncer_active_connections 10
pgbouncer_max_connections 100
redis_memory_used_bytes 100
redis_memory_max_bytes 1000
redis_evicted_keys_total 0
http_responses_total{status="200",route="/a"} 1000
http_responses_total{status="404",route="/a"} 10
kaireon_auth_failures_total 7
kube_node_status_condition{node="a",condition="MemoryPressure",status="true"} 0
kube_node_status_condition{node="a",condition="DiskPressure",status="true"} 0
kube_pod_status_phase{pod="x",phase="Running"} 1
kube_pod_status_phase{pod="x",phase="Pending"} 0
pg_database_size_bytes 10
pg_disk_total_bytes 100
cert_expiry_seconds 9000000
M
cp "$WORK/pages/app" "$WORK/pages/slow"

cat >"$WORK/faulty.yml" <<'R'
groups:
  - name: kaireon
    rules:
      - {alert: Latency, expr: 'histogram_quantile(0.99, sum by (le) (rate(kaireon_decision_latency_ms_bucket{job="app"}[5m]))) > 1000', for: 3m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/latency"}}
      - {alert: Backlog, expr: 'kaireon_active_worker_jobs > 100', for: 5m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/backlog"}}
      - {alert: Pool, expr: '100 * pgbouncer_active_connections / pgbouncer_max_connections > 80', for: 1m, labels: {severity: warning}}
      - {alert: RedisMemory, expr: '90 < redis_memory_used_bytes / redis_memory_max_bytes', for: 5m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/redis"}}
      - {alert: Evictions, expr: 'rate(redis_evicted_keys_total{job="slow"}[5s]) > 0', for: 3m, labels: {severity: page}, annotations: {runbook_url: "https://runbooks/evict"}}
      - {alert: Errors, expr: 'job:errors:ratio5m > 0.01', for: 3m, labels: {severity: critical, team: muted}, annotations: {runbook_url: "https://runbooks/errors"}}
      - {alert: DeadLetters, expr: 'kaireon_dlq_depth > 500', for: 10m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/dlq"}}
      - {alert: CertWeek, expr: 'cert_expiry_seconds < 7 * 86400', for: 10m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/cert"}}
      - {alert: CertDay, expr: 'cert_expiry_seconds / 3600 < 24', labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/cert"}}
      - {alert: DiskPressure, expr: 'kube_node_status_condition{condition="diskpressure",status="true"} == 1', for: 5m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/node"}}
      - {alert: DatabaseDisk, expr: 'pg_database_size_bytes{datname="kaireon"} / pg_disk_total_bytes > 0.85', for: 30m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/db"}}
      - {alert: AuthFailures, expr: 'rate(kaireon_auth_failures_total[5m]) > 10', for: 3m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/auth"}}
      - {alert: AuthShare, expr: 'rate(kaireon_auth_failures_total[5m]) > 0.1 * rate(kaireon_auth_attempts_total[5m])', for: 5m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks/auth"}}
      - {record: 'job:errors:ratio5m', expr: 'sum(rate(http_responses_total{status=~"5.."}[5m])) / sum(rate(http_responses_total[5m]))'}
  - name: others
    rules:
      - {alert: Broken, expr: 'kube_pod_status_phase * on () kaireon_dlq_depth > 1'}
R
am=$(free_port) pages=$(free_port) port=$(free_port) empty=$(free_port)
cat >"$WORK/alertmanager.yml" <<'A'
route:
  receiver: nobody
  routes:
    - {receiver: nobody, match: {team: muted}}
    - {matchers: ['severity=~"critical|warning"'], receiver: oncall, mute_time_intervals: [nights]}
receivers:
  - {name: nobody}
  - {name: oncall, webhook_configs: [{url: "http://127.0.0.1:1/secret-hook"}]}
time_intervals:
  - {name: nights, time_intervals: [{times: [{start_time: "00:00", end_time: "06:00"}]}]}
A
prometheus_config() {
        cat <<P
global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {cluster: test}}
rule_files: [$1]
scrape_configs:
  - {job_name: app, metrics_path: /app, static_configs: [{targets: ["127.0.0.1:$pages"]}]}
  - {job_name: slow, metrics_path: /slow, scrape_interval: 3s, static_configs: [{targets: ["127.0.0.1:$pages"]}]}
P
        [ -z "${2:-}" ] || echo "alerting: {alertmanagers: [{static_configs: [{targets: [\"127.0.0.1:$2\"]}]}]}"
}
prometheus_config "$WORK/faulty.yml" "$am" >"$WORK/faulty-prometheus.yml"
check "the planted rules are valid" "$(program promtool)" check rules "$WORK/faulty.yml"
serve_metrics "$WORK/pages" "$pages"
start_alertmanager "$WORK/alertmanager.yml" "$am"
# A metric that was scraped two days ago and no more.
before=$(($(date +%s) - 172800))
printf '# TYPE kaireon_auth_attempts counter\nkaireon_auth_attempts_total 5 %s\nkaireon_auth_attempts_total 9 %s\n# EOF\n' "$before" "$((before + 60))" >"$WORK/before.om"
mkdir -p "$WORK/prometheus.$port"
check "a metric of earlier days is backfilled" eval '"$(program promtool)" tsdb create-blocks-from openmetrics "$WORK/before.om" "$WORK/prometheus.$port" >"$WORK/backfill.txt" 2>&1'
start_prometheus "$WORK/faulty-prometheus.yml" "$port"
printf 'global: {scrape_interval: 1s}\nrule_files: [%s]\n' "$WORK/faulty.yml" >"$WORK/empty.yml"
start_prometheus "$WORK/empty.yml" "$empty"
wait_query "$port" 'up{job="slow"} == 1' 15
wait_query "$port" 'count by (job) (rate(redis_evicted_keys_total{job="app"}[5m]))' 15
until_date=$(date -u -d '+3 days' +%Y-%m-%dT%H:%M:%SZ)
curl -s -XPOST "http://127.0.0.1:$am/api/v2/silences" -H 'Content-Type: application/json' -d "{\"matchers\":[{\"name\":\"alertname\",\"value\":\"Cert.*\",\"isRegex\":true}],\"startsAt\":\"2020-01-01T00:00:00Z\",\"endsAt\":\"$until_date\",\"createdBy\":\"jo\",\"comment\":\"x\"}" >/dev/null
for ((i = 0; i < 100; i++)); do
        curl -s "http://127.0.0.1:$port/api/v1/rules" | jq -e '[.data.groups[].rules[] | select(.health == "unknown")] | length == 0' >/dev/null && break
        sleep 0.1
done

# Two PrometheusRules of a cluster: one that Prometheus has, one that it never loaded.
mkdir -p "$WORK/objects"
jq -n '{kind: "PrometheusRuleList", apiVersion: "monitoring.coreos.com/v1", items: [
  {metadata: {name: "known", namespace: "kaireon"}, spec: {groups: [{name: "kaireon", rules: [
    {alert: "Backlog", expr: "kaireon_active_worker_jobs>100", for: "5m", labels: {severity: "critical"}}]}]}},
  {metadata: {name: "lost", namespace: "kaireon"}, spec: {groups: [{name: "nodes", rules: [
    {record: "pods:pending", expr: "sum(kube_pod_status_phase{phase=\"Pending\"})"},
    {alert: "PendingPods", expr: "pods:pending > 0", for: "5m", labels: {severity: "critical"}, annotations: {runbook_url: "https://runbooks/pods"}}]}]}}]}' \
        >"$WORK/objects/monitoring.coreos.com-v1-prometheusrules.json"
kubernetes_start --objects "$WORK/objects"

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: metrics, kind: prometheus, url: "http://127.0.0.1:$port/", alertmanager: "http://127.0.0.1:$am", rules_of: [prod]}
  - {name: prod, kind: kubernetes, context: test, kubeconfig: ["$KUBE_CONFIG"]}
  - {name: objects, kind: prometheus, rules_of: [prod]}
  - {name: blank, kind: prometheus, url: "http://127.0.0.1:$empty"}
jobs:
  nightly: {audits: [alerts], report: {formats: [json, md], to: $WORK/reports}}
Y
check "the servers answer, with their versions" eval '"$ROUNDS" check -c "$WORK/rounds.yaml" | grep -q "Prometheus 2.*Alertmanager 0"'
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
of_metrics() { has ".target == \"metrics\" and ($1)"; }
check "a looser threshold is SEV3" of_metrics '.control=="ALR-1" and .status=="fail" and .severity=="SEV3" and (.message|test("fires at 1000, wanted is 200"))'
check "a threshold beyond the largest bucket cannot be reached" of_metrics '.control=="ALR-11" and .resource.name=="Latency" and .status=="fail" and (.message|test("largest finite bucket"))'
check "a rule as wanted passes" of_metrics '.control=="ALR-2" and .status=="pass"'
check "but its series was never seen" of_metrics '.control=="ALR-11" and .resource.name=="Backlog" and .severity=="SEV2" and (.message|test("absent series"))'
check "a stricter rule in percent passes" of_metrics '.control=="ALR-3" and .status=="pass" and (.message|test("earlier"))'
check "a rule without a runbook is told" of_metrics '.control=="ALR-11" and .resource.kind=="alert labels" and .resource.name=="Pool" and (.observed|test("runbook_url"))'
check "percent against a share" of_metrics '.control=="ALR-4" and .resource.name=="Redis memory" and .status=="fail" and (.message|test("percent against a share"))'
check "a share above 1 never comes" of_metrics '.control=="ALR-11" and .resource.name=="RedisMemory" and (.message|test("figure above 1"))'
check "a window under two scrapes" of_metrics '.control=="ALR-11" and .resource.kind=="alert rule" and .resource.name=="Evictions" and (.observed|test("every 3 s"))'
check "a severity that no route takes ends with nobody" of_metrics '.control=="ALR-11" and .resource.kind=="alert route" and .resource.name=="Evictions" and (.observed|test("nobody .without any integration"))'
check "a recorded share is seen through" of_metrics '.control=="ALR-5" and .status=="pass"'
check "errors that did not happen yet are no fault" eval '! has ".control==\"ALR-11\" and .resource.kind==\"alert rule\" and .resource.name==\"Errors\"" >/dev/null'
check "a route of old syntax is walked" of_metrics '.control=="ALR-11" and .resource.kind=="alert route" and .resource.name=="Errors"'
check "dead letters per tenant, and too late" of_metrics '.control=="ALR-6" and .status=="fail" and (.message|test("fires at 500")) and (.message|test("by itself"))'
check "the runbook's 500 against its own 100" of_metrics '.control=="DLQ-1" and .status=="fail" and .severity=="SEV3" and (.message|test("stands at 500.*wants 100"))'
check "certificates at 7 days and 24 hours pass" eval 'has ".control==\"ALR-7\" and .status==\"pass\" and .resource.name==\"certificates, a week left\"" && has ".control==\"ALR-7\" and .status==\"pass\" and .resource.name==\"certificates, a day left\""'
check "but the steps 30, 14 and 3 days are missing" of_metrics '.control=="CRT-2" and .status=="fail" and (.message|test("30 d, 14 d, 3 d"))'
check "a long silence is told" of_metrics '.control=="ALR-11" and .resource.kind=="alert silence" and .resource.name=="CertWeek" and (.observed|test("silenced by jo"))'
check "a value that a label never has" of_metrics '.control=="ALR-11" and .resource.name=="DiskPressure" and (.observed|test("diskpressure.* was never seen; condition has \"DiskPressure\", \"MemoryPressure\""))'
check "a metric that is measured no longer" of_metrics '.control=="ALR-11" and .resource.name=="AuthShare" and (.observed|test("no series in the last 6 h, though there was one before"))'
check "an alert that is not there is SEV2" of_metrics '.control=="ALR-8" and .resource.name=="memory pressure of nodes" and .status=="fail" and .severity=="SEV2"'
check "an object that Prometheus has not loaded is told" of_metrics '.control=="ALR-11" and .resource.kind=="PrometheusRule" and .resource.name=="PendingPods" and (.observed|test("prod/kaireon/lost"))'
check "one that it has is not" eval '! has ".resource.kind==\"PrometheusRule\" and .resource.name==\"Backlog\"" >/dev/null'
of_objects() { jq -e "[.findings[] | select(.target==\"objects\" and ($1))] | length >= 1" "$json" >/dev/null; }
check "objects alone are judged where no Prometheus is named" of_objects '.control=="ALR-8" and .status=="pass" and .resource.name=="pending pods"'
check "but nothing is claimed about firing" of_objects '.control=="ALR-11" and .status=="skip" and (.message|test("No Prometheus is named"))'
check "clusters are only read" kubernetes_only_reads
check "a label that a metric does not have" of_metrics '.control=="ALR-11" and .resource.name=="DatabaseDisk" and (.message|test("does not have"))'
check "waiting longer than wanted is looser" of_metrics '.control=="ALR-9" and .status=="fail" and (.message|test("waits 30 min, wanted is 10 min"))'
check "per second against per minute has its own finding" of_metrics '.control=="ALR-10" and .resource.kind=="threshold unit" and .resource.name=="AuthFailures" and (.message|test("600 a minute"))'
check "a rule that cannot be evaluated is told, whoever it is for" of_metrics '.control=="ALR-11" and .resource.name=="Broken" and .status=="fail" and .severity=="SEV3"'
check "nothing of the receivers is kept but their types" eval '! grep -q secret-hook "$json" && ! sqlite3 "$WORK/rounds.db" .dump | grep -q secret-hook'
check "a server without data is an error, not missing series" eval 'jq -e "[.findings[] | select(.target==\"blank\")] | length > 0 and all(.status==\"error\" and .reason==\"too-little-data\")" "$json" >/dev/null'

# A platform that is well: everything passes.
cat >"$WORK/right.yml" <<'R'
groups:
  - name: kaireon
    rules:
      - {record: 'job:errors:ratio5m', expr: 'sum(rate(http_responses_total{status=~"5.."}[5m])) / sum(rate(http_responses_total[5m]))'}
      - {alert: Latency, expr: 'histogram_quantile(0.99, rate(kaireon_decision_latency_ms_bucket[5m])) > 200', for: 3m}
      - {alert: Pool, expr: 'pgbouncer_active_connections > 0.9 * pgbouncer_max_connections', for: 2m}
      - {alert: RedisMemory, expr: 'redis_memory_used_bytes / redis_memory_max_bytes > 0.9 and redis_memory_max_bytes > 0', for: 5m}
      - {alert: Evictions, expr: 'increase(redis_evicted_keys_total[5m]) > 0', for: 3m}
      - {alert: Errors, expr: 'job:errors:ratio5m > 0.01', for: 3m}
      - {alert: DeadLetters, expr: 'sum(kaireon_dlq_depth) > 100', for: 10m}
      - {alert: Cert30, expr: 'cert_expiry_seconds < 30 * 86400'}
      - {alert: Cert14, expr: 'cert_expiry_seconds < 14 * 86400'}
      - {alert: Cert7, expr: 'cert_expiry_seconds < 7 * 86400'}
      - {alert: Cert3, expr: 'cert_expiry_seconds < 3 * 86400'}
      - {alert: Cert1, expr: 'cert_expiry_seconds < 86400'}
      - {alert: Memory, expr: 'kube_node_status_condition{condition="MemoryPressure",status="true"} > 0', for: 5m}
      - {alert: Disk, expr: 'kube_node_status_condition{condition="DiskPressure",status="true"} == 1', for: 5m}
      - {alert: Pending, expr: 'sum(kube_pod_status_phase{phase="Pending"}) > 0', for: 5m}
      - {alert: DatabaseDisk, expr: 'pg_database_size_bytes / pg_disk_total_bytes > 0.85', for: 10m}
      - {alert: AuthFailures, expr: 'sum(increase(kaireon_auth_failures_total[1m])) > 10', for: 3m}
      - {alert: AuthShare, expr: 'rate(kaireon_auth_failures_total[5m]) / rate(kaireon_auth_attempts_total[5m]) > 0.1', for: 5m}
      - {alert: Backlog, expr: 'sum(kaireon_active_worker_jobs) > 100', for: 5m}
R
sed -i 's/^\(      - {alert: .*\)}$/\1, labels: {severity: critical}, annotations: {runbook_url: "https:\/\/runbooks\/x"}}/' "$WORK/right.yml"
printf 'kaireon_active_worker_jobs 3\nkaireon_auth_attempts_total 100\n' >>"$WORK/pages/app"
printf 'route: {receiver: oncall}\nreceivers: [{name: oncall, webhook_configs: [{url: "http://127.0.0.1:1/"}]}]\n' >"$WORK/alertmanager.yml"
curl -s -XPOST "http://127.0.0.1:$am/-/reload" >/dev/null
port2=$(free_port)
prometheus_config "$WORK/right.yml" "$am" >"$WORK/right-prometheus.yml"
start_prometheus "$WORK/right-prometheus.yml" "$port2"
wait_query "$port2" 'kaireon_active_worker_jobs and on () up{job="slow"} == 1' 15
id=$(curl -s "http://127.0.0.1:$am/api/v2/silences" | jq -r '.[0].id')
curl -s -XDELETE "http://127.0.0.1:$am/api/v2/silence/$id" >/dev/null
sleep 1
sed -e "s#sqlite:.*#sqlite:$WORK/well.db#" -e "s#127.0.0.1:$port/#127.0.0.1:$port2/#" -e '/name: \(blank\|objects\)/d' -e 's/, rules_of: .prod.//' -e "s#$WORK/reports#$WORK/well#" "$WORK/rounds.yaml" >"$WORK/well.yaml"
"$ROUNDS" run nightly -c "$WORK/well.yaml" >"$WORK/out.txt" 2>&1
status=$?
json=$(ls "$WORK"/well/nightly-*Z.json)
check "the well one is well" eval '[ $status -eq 0 ] && jq -e "[.findings[] | select(.status!=\"pass\")] == []" "$json" >/dev/null || { jq -c ".findings[] | select(.status!=\"pass\")" "$json"; false; }'
check "every rule reaches its receiver" of_metrics '.control=="ALR-11" and .status=="pass" and (.observed=="18 of 18 rules")'
finish
