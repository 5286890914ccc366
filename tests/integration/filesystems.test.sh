#!/bin/bash
# File systems and claims from a real Prometheus with twenty days of backfilled figures: full, soon full, roomy; series named otherwise.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_prometheus.sh"
need prometheus promtool jq curl

now=$(date +%s)
awk -v now="$now" 'BEGIN {
        G = 2 ^ 30
        split("a:9100 /,a:9100 /data,b:9100 /,a:9100 /run", v, ",")
        print "# TYPE node_filesystem_size_bytes gauge"
        for (i = 1; i <= 4; i++) for (d = 80; d >= 0; d--) { split(v[i], p, " "); line("node_filesystem_size_bytes", p, i, 100 * G, d) }
        print "# TYPE node_filesystem_avail_bytes gauge"
        for (i = 1; i <= 4; i++) for (d = 80; d >= 0; d--) { split(v[i], p, " "); line("node_filesystem_avail_bytes", p, i, i == 1 ? 60 * G : i == 2 ? (20 + d / 4) * G : i == 3 ? 8 * G : 0, d) }
        print "# TYPE my_claim_bytes gauge"
        for (d = 80; d >= 0; d--) printf "my_claim_bytes{claim=\"data-0\",what=\"used\"} %.0f %.0f\nmy_claim_bytes{claim=\"data-0\",what=\"all\"} %.0f %.0f\n", 3 * G, now - d * 21600, 10 * G, now - d * 21600
        print "# EOF"
}
function line(name, p, i, value, d) {
        printf "%s{instance=\"%s\",mountpoint=\"%s\",fstype=\"%s\"} %.0f %.0f\n", name, p[1], p[2], i == 4 ? "tmpfs" : "ext4", value, now - d * 21600
}' >"$WORK/history.om"
port=$(free_port)
mkdir -p "$WORK/prometheus.$port"
check "the history is backfilled" eval '"$(program promtool)" tsdb create-blocks-from openmetrics "$WORK/history.om" "$WORK/prometheus.$port" >"$WORK/backfill.txt" 2>&1 || { tail -n 3 "$WORK/backfill.txt"; false; }'
echo 'global: {scrape_interval: 1m}' >"$WORK/prometheus.yml"
start_prometheus "$WORK/prometheus.yml" "$port" --storage.tsdb.retention.time=400d
wait_query "$port" 'node_filesystem_size_bytes' 15
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: metrics, kind: prometheus, url: "http://127.0.0.1:$port"}
  - name: other
    kind: prometheus
    url: http://127.0.0.1:$port
    volumes: [{name: mine, used: 'my_claim_bytes{what="used"}', total: 'my_claim_bytes{what="all"}', labels: [claim]}]
jobs:
  nightly: {audits: [filesystems], report: {formats: [json], to: $WORK/reports}}
Y
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
json=$(ls "$WORK"/reports/nightly-*Z.json)
check "findings are exit status 1" [ "$status" -eq 1 ]
check "a full file system is SEV1" has '.control=="DSK-5" and .status=="fail" and .severity=="SEV1" and .resource.name=="b:9100 /" and (.observed|test("92.0 % used"))'
check "one that grows has a date, from Prometheus'\''s own history" has '.status=="fail" and .severity=="SEV2" and .resource.kind=="projection" and .resource.name=="a:9100 /data" and (.observed|test("grows by .*G.*full on .*over 2[01] days"))'
check "the others have room and last" has '.status=="pass" and .target=="metrics" and .resource.name=="with room" and (.observed=="2 of 3")'
check "what lives in memory is left out" eval '! grep -q "a:9100 /run" "$json"'
check "series of other names are read as configured" has '.target=="other" and .status=="pass" and .resource.name=="that last" and (.observed=="1 of 1")'
check "projections stand in the report" eval 'jq -e "[.projections[] | select(.subject == \"volume data-0\")] | length == 1" "$json" >/dev/null'
finish
