# Prometheus and Alertmanager with the runbook's alert rules, faults and all.  Sourced by tests/demo/run.
# shellcheck shell=bash disable=SC2034
# shellcheck source=tests/integration/lib_prometheus.sh
. tests/integration/lib_prometheus.sh

# Metrics as the platform exposes them; kaireon_active_worker_jobs stands in alerts only.
demo_metrics() {
        cat <<'M'
kaireon_decision_latency_ms_bucket{channel="web",le="100"} 90
kaireon_decision_latency_ms_bucket{channel="web",le="250"} 98
kaireon_decision_latency_ms_bucket{channel="web",le="+Inf"} 100
kaireon_dlq_depth{tenant="acme"} 40
kaireon_dlq_depth{tenant="zeta"} 12
redis_memory_used_bytes 41000000
redis_memory_max_bytes 64000000
http_responses_total{status="200"} 120000
http_responses_total{status="500"} 12
kaireon_auth_failures_total 7
kaireon_auth_attempts_total 900
cert_expiry_seconds{name="www.kaireon.test"} 2400000
M
}

demo_rules() {
        local depth="kaireon_dlq_depth > 500"
        [ "$1" = again ] && depth="sum(kaireon_dlq_depth) > 100"
        cat <<R
groups:
  - name: kaireon
    rules:
      - {alert: DecisionLatency, expr: 'histogram_quantile(0.99, sum by (le) (rate(kaireon_decision_latency_ms_bucket[5m]))) > 200', for: 3m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks.kaireon.test/latency"}}
      - {alert: WorkerBacklog, expr: 'kaireon_active_worker_jobs > 100', for: 5m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks.kaireon.test/backlog"}}
      - {alert: RedisMemory, expr: 'redis_memory_used_bytes / redis_memory_max_bytes > 90', for: 5m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks.kaireon.test/redis"}}
      - {alert: ApiErrors, expr: '100 * sum(rate(http_responses_total{status=~"5.."}[5m])) / sum(rate(http_responses_total[5m])) > 1', for: 3m, labels: {severity: warning}, annotations: {runbook_url: "https://runbooks.kaireon.test/errors"}}
      - {alert: DeadLetters, expr: '$depth', for: 10m, labels: {severity: critical}}
      - {alert: CertificateWeek, expr: 'cert_expiry_seconds < 604800', labels: {severity: critical}, annotations: {runbook_url: "https://runbooks.kaireon.test/certificates"}}
      - {alert: CertificateDay, expr: 'cert_expiry_seconds < 86400', labels: {severity: critical}, annotations: {runbook_url: "https://runbooks.kaireon.test/certificates"}}
      - {alert: AuthFailures, expr: 'rate(kaireon_auth_failures_total[5m]) > 10', for: 3m, labels: {severity: critical}, annotations: {runbook_url: "https://runbooks.kaireon.test/auth"}}
R
}

demo_prometheus() {
        local port pages manager
        port=$(demo_port prometheus) pages=$(demo_port metrics) manager=$(demo_port alertmanager)
        mkdir -p "$WORK/metrics"
        demo_metrics >"$WORK/metrics/kaireon"
        demo_rules "$1" >"$WORK/rules.yml"
        cat >"$WORK/alertmanager.yml" <<'A'
route:
  receiver: "null"
  routes:
    - {matchers: ['severity="critical"'], receiver: oncall}
receivers:
  - {name: "null"}
  - {name: oncall, webhook_configs: [{url: "http://127.0.0.1:1/"}]}
A
        cat >"$WORK/prometheus.yml" <<P
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$WORK/rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ["127.0.0.1:$manager"]}]}]}
scrape_configs:
  - {job_name: kaireon, metrics_path: /kaireon, static_configs: [{targets: ["127.0.0.1:$pages"]}]}
P
        serve_metrics "$WORK/metrics" "$pages" && start_alertmanager "$WORK/alertmanager.yml" "$manager" &&
                start_prometheus "$WORK/prometheus.yml" "$port" && wait_query "$port" 'kaireon_dlq_depth' 15 || return 1
        DEMO_SAYS="alert rules of the runbook: per second for per minute, percent for a share, series that do not exist, a route to nobody"
        [ "$1" = again ] && DEMO_SAYS="dead letters are told at 100, over all tenants"
        TARGETS="$TARGETS
  - {name: metrics, kind: prometheus, url: \"http://127.0.0.1:$port\", alertmanager: \"http://127.0.0.1:$manager\",
     queues: [{name: workers, depth: sum(kaireon_active_worker_jobs)}], dead_letters: sum(kaireon_dlq_depth)}"
}
