#!/bin/bash
# Sign-ins as a real Prometheus counts them: quiet, with a burst, failures without attempts, a counter that stands still, none at all.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_prometheus.sh"
need prometheus promtool jq curl

now=$(date +%s)
# Thirty hours, a point a minute.  `burst` fails 60 times within ten minutes, three hours ago.
awk -v now="$now" 'BEGIN {
        n = split("quiet_failures quiet_attempts burst_failures burst_attempts lone_failures still_failures still_attempts", names, " ")
        for (i = 1; i <= n; i++) {
                print "# TYPE " names[i] " counter"
                for (s = 108000; s >= 0; s -= 60) printf "%s_total{pod=\"a\"} %d %d\n", names[i], count(names[i], 1800 - s / 60, s), now - s
        }
        print "# EOF"
}
function count(name, minute, s) {
        if (name ~ /^still/) return 7
        if (name ~ /attempts$/) return minute
        if (name == "burst_failures") return int(minute / 60) + (s < 10800 ? 60 : s < 11400 ? (11400 - s) / 10 : 0)
        return int(minute / 60)
}' >"$WORK/history.om"
port=$(free_port)
mkdir -p "$WORK/prometheus.$port"
check "the history is backfilled" eval '"$(program promtool)" tsdb create-blocks-from openmetrics --max-block-duration=48h "$WORK/history.om" "$WORK/prometheus.$port" >"$WORK/backfill.txt" 2>&1 || { tail -n 3 "$WORK/backfill.txt"; false; }'
echo 'global: {scrape_interval: 1m}' >"$WORK/prometheus.yml"
start_prometheus "$WORK/prometheus.yml" "$port" --storage.tsdb.retention.time=400d
wait_query "$port" 'quiet_failures_total' 15
{
        printf 'version: 1\nstore: sqlite:%s\ntargets:\n' "$WORK/rounds.db"
        for name in quiet burst lone still none; do
                echo "  - {name: $name, kind: prometheus, url: \"http://127.0.0.1:$port\", policy: {ATH-4: {failures_metric: ${name}_failures_total, attempts_metric: ${name}_attempts_total}}}"
        done
        echo "jobs: {nightly: {audits: [stuffing, alerts, clocks], report: {formats: [json], to: $WORK/reports}}}"
} >"$WORK/rounds.yaml"
"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "check does not ask a Prometheus for rights of a cluster" eval 'grep -q "stuffing: ok" "$WORK/check.txt" && grep -q "clocks: ok$" "$WORK/check.txt" && grep -q "alerts: " "$WORK/check.txt" && ! grep RBAC "$WORK/check.txt"'
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
of_stuffing() { has_one ".control == \"ATH-4\" and ($1)"; }
check "few failures pass" of_stuffing '.target=="quiet" and .status=="pass" and .resource.name=="failures in 5 minutes" and (.observed|test("^[0-2] failures"))'
check "and their share does" of_stuffing '.target=="quiet" and .status=="pass" and .resource.name=="share of failures" and (.observed|test("^1.[67] %"))'
check "a burst fails, hours later" of_stuffing '.target=="burst" and .status=="fail" and .resource.name=="failures in 5 minutes" and (.observed|test("^(2[0-9]|3[0-9]|4[0-9]) failures"))'
check "failures without attempts have no share" of_stuffing '.target=="lone" and .status=="error" and .resource.name=="share of failures" and (.message|test("There is no series lone_attempts_total"))'
check "a counter that stands still tells that nobody signed in" of_stuffing '.target=="still" and .status=="error" and .resource.name=="share of failures" and (.message|test("has not risen"))'
check "a series that never was is an error" of_stuffing '.target=="none" and .status=="error" and .resource.name=="none_failures_total"'
finish
