#!/bin/bash
# Queues and dead letters from a real Prometheus with forty days of backfilled figures: calm, deep, growing, leaking, rising, unattended, gone.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_prometheus.sh"
need prometheus promtool jq curl

now=$(date +%s)
# Every five minutes, for two days.  `rising`, for forty, peaks for three hours at noon (UTC) and is empty else.
awk -v now="$now" 'BEGIN {
        print "# TYPE jobs gauge"
        n = split("calm deep flood growing leaking rising unattended gone nan", names, " ")
        for (i = 1; i <= n; i++) for (s = 40 * 86400; s >= 0; s -= 300) {
                if (names[i] != "rising" && s > 2 * 86400) continue
                value = depth(names[i], s)
                if (value != "") printf "jobs{queue=\"%s\",state=\"waiting\"} %s %d\n", names[i], value, now - s
        }
        for (s = 2 * 86400; s >= 0; s -= 300) print "jobs{queue=\"unattended\",state=\"active\"} " (s > 1800 ? 2 : 0) " " now - s
        print "# TYPE kaireon_dlq_depth gauge"
        for (s = 86400; s >= 0; s -= 300) print "kaireon_dlq_depth{tenant=\"acme\"} 90 " now - s
        for (s = 86400; s >= 0; s -= 300) print "kaireon_dlq_depth{tenant=\"zeta\"} 30 " now - s
        print "# EOF"
}
function depth(name, s, t, k) {
        t = now - s; k = int(s / 300)
        if (name == "calm") return 3 + (k * 7) % 5
        if (name == "deep") return 200 + k % 3
        if (name == "flood") return 600
        if (name == "growing") return s > 3600 ? 5 + k % 3 : 41 - 3 * k
        if (name == "leaking") return 60 - int(s / 3600)
        if (name == "rising") return (t % 86400 >= 43200 && t % 86400 < 54000) ? 90 - int(s / 86400) * 2 : 0
        if (name == "unattended") return s > 1800 ? k % 4 : 6
        if (name == "gone") return s < 7200 ? "" : 4
        return s < 600 ? "NaN" : 4
}' >"$WORK/history.om"
port=$(free_port)
mkdir -p "$WORK/prometheus.$port"
check "the history is backfilled" eval '"$(program promtool)" tsdb create-blocks-from openmetrics --max-block-duration=768h "$WORK/history.om" "$WORK/prometheus.$port" >"$WORK/backfill.txt" 2>&1 || { tail -n 3 "$WORK/backfill.txt"; false; }'
echo 'global: {scrape_interval: 1m}' >"$WORK/prometheus.yml"
start_prometheus "$WORK/prometheus.yml" "$port" --storage.tsdb.retention.time=400d
wait_query "$port" 'kaireon_dlq_depth' 15
{
        cat <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: bare, kind: prometheus, url: "http://127.0.0.1:$port"}
  - {name: tenants, kind: prometheus, url: "http://127.0.0.1:$port", dead_letters: kaireon_dlq_depth}
  - {name: no-letters, kind: prometheus, url: "http://127.0.0.1:$port", dead_letters: sum(no_such_gauge)}
  - {name: wrong, kind: prometheus, url: "http://127.0.0.1:$port", dead_letters: "sum(("}
  - name: metrics
    kind: prometheus
    url: http://127.0.0.1:$port
    dead_letters: sum(kaireon_dlq_depth)
    queues:
      - {name: unattended, depth: 'jobs{queue="unattended",state="waiting"}', active: 'jobs{queue="unattended",state="active"}'}
      - {name: never, depth: sum(kaireon_active_worker_jobs)}
      - {name: below, depth: '1 - sum(jobs{queue="flood"})'}
Y
        for queue in calm deep flood growing leaking rising gone nan; do
                echo "      - {name: $queue, depth: 'sum(jobs{queue=\"$queue\",state=\"waiting\"}) # of $queue'}"
        done
        cat <<Y
jobs:
  nightly: {audits: [queue_metrics], report: {formats: [json], to: $WORK/reports}}
Y
} >"$WORK/rounds.yaml"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
json=$(ls "$WORK"/reports/nightly-*Z.json)
check "what could not be assessed makes it exit status 2" [ "$status" -eq 2 ]
check "a calm queue passes, with its growth over the hour and the day" has '.control=="WRK-4" and .status=="pass" and .resource.name=="calm" and (.observed|test("waiting, .*/min over 1 h, .*/min over 1 d, up to 7 within a day"))'
check "a deep queue is SEV2" has '.status=="fail" and .severity=="SEV2" and .resource.name=="deep" and (.observed|test("^20[0-2] waiting"))'
check "a flooded one SEV1" has '.status=="fail" and .severity=="SEV1" and .resource.name=="flood" and (.observed|test("^600 waiting"))'
check "one that grew for the hour" has '.status=="fail" and .resource.name=="growing" and (.message|test("grows steadily")) and (.observed|test("\\+0.6/min over 1 h"))'
check "one that leaks over the day" has '.status=="fail" and .resource.name=="leaking" and (.message|test("grows steadily"))'
check "peaks at noon rise from day to day, whatever the hour of this run" has '.status=="fail" and .resource.name=="rising" and (.message|test("daily peaks rise")) and (.observed|test("over (39|40|41) d: grows by .*2.* jobs a day"))'
check "what nobody takes" has '.status=="fail" and .resource.kind=="workers" and .resource.name=="unattended" and (.observed|test("6 waiting, none active and none taken for (25|30) min"))'
check "a series that never was is an error" has '.status=="error" and .reason=="too-little-data" and .resource.name=="never" and (.message|test("does not export it"))'
check "one that went away too, with its last moment" has '.status=="error" and .resource.name=="gone" and (.message|test("any more, the last was seen at 20"))'
check "NaN is no number" has '.status=="error" and .resource.name=="nan" and (.message|test("is NaN"))'
check "less than nothing neither" has '.status=="error" and .resource.name=="below" and (.message|test("is -599"))'
check "dead letters are summed over the tenants" has '.control=="DLQ-1" and .target=="metrics" and .status=="fail" and .severity=="SEV3" and (.observed=="120 dead letters")'
check "tenants apart are no depth" has '.target=="tenants" and .control=="DLQ-1" and .status=="error" and .reason=="configuration" and (.remedy|test("sum.kaireon_dlq_depth."))'
check "what nobody exports never passes" has '.target=="no-letters" and .control=="DLQ-1" and .status=="error"'
check "what the server cannot parse is told as it says it" has '.target=="wrong" and .control=="DLQ-1" and .status=="error" and .reason=="protocol" and (.message|test("parse error"))'
check "a target with neither says what to set" has '.target=="bare" and .control=="WRK-4" and .status=="skip" and (.message|test("dead_letters, as sum.kaireon_dlq_depth"))'
check "queues and projections stand in the report" eval 'jq -e "([.inventory.queues[] | select(.id == \"deep\" and .waiting >= 200)] | length == 1) and ([.projections[] | select(.subject == \"waiting jobs of rising\")] | length == 1)" "$json" >/dev/null'
finish
