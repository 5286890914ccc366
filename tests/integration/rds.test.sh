#!/bin/bash
# RDS and CloudWatch on a small server that checks every signature: paging, autoscaling, the date of full, denied metrics, a wrong key.
# timeout: 60
. "$(dirname "$0")/lib.sh"
need node jq
for kind in open deny; do
        start node "$TOP/tests/integration/rds_server.mjs" $kind
        for _ in $(seq 100); do [ "$(grep -c '^ready' "$WORK/servers.log")" -ge "$([ $kind = open ] && echo 1 || echo 2)" ] && break; sleep 0.1; done
done
OPEN=$(sed -n 's/^ready //p' "$WORK/servers.log" | sed -n 1p)
DENY=$(sed -n 's/^ready //p' "$WORK/servers.log" | sed -n 2p)
echo AKIATEST >"$WORK/key"
printf 'top/secret+key\n' >"$WORK/secret"
echo wrong >"$WORK/wrong"
chmod 600 "$WORK/key" "$WORK/secret" "$WORK/wrong"
target() { # NAME PORT SECRET
        echo "  - {name: $1, kind: rds, region: eu-central-1, endpoint: \"http://127.0.0.1:$2\", cloudwatch_endpoint: \"http://127.0.0.1:$2/\", access_key_file: key, secret_key_file: $3, instances: [\"kaireon-*\"]}"
}
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
$(target rds "$OPEN" secret)
$(target denied "$DENY" secret)
$(target wrong "$OPEN" wrong)
jobs: {weekly: {audits: [rds], report: {formats: [json, html, xlsx], to: $WORK/reports}}}
Y
"$ROUNDS" run weekly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/weekly-*Z.json)
check "storage that does not grow by itself is found" has_one '.target=="rds" and .control=="DSK-1" and .status=="fail" and .resource.name=="kaireon-prod" and (.remedy|test("--max-allocated-storage 200"))'
check "storage that grows passes" has_one '.target=="rds" and .control=="DSK-1" and .status=="pass" and .resource.name=="kaireon-reports"'
check "Aurora passes, from the second page" has_one '.target=="rds" and .control=="DSK-1" and .status=="pass" and .resource.name=="kaireon-aurora"'
check "instances of others are left out" sh -c "! grep -q other-team '$json'"
check "nearly full is SEV1" has_one '.target=="rds" and .control=="DSK-5" and .status=="fail" and .severity=="SEV1" and .resource.name=="kaireon-prod" and .resource.kind=="instance"'
check "the date of full comes from CloudWatch on the first run" has_one '.target=="rds" and .control=="DSK-5" and .status=="fail" and .resource.kind=="projection" and (.observed|test("grows by 1.0 GiB a day.*from 6[01] samples"))'
check "no trend is a pass" has_one '.target=="rds" and .control=="DSK-5" and .status=="pass" and .resource.kind=="projection" and .resource.name=="kaireon-reports"'
check "metrics that are denied are an error with the action to allow" jq -e '[.findings[] | select(.target=="denied" and .control=="DSK-5" and .status=="error" and .reason=="denied" and (.remedy|test("cloudwatch:GetMetricStatistics")))] | length == 2' "$json" >/dev/null
check "and what needs no metrics is judged" has_one '.target=="denied" and .control=="DSK-1" and .status=="fail"'
check "a wrong secret is denied, with the service's words" jq -e '[.findings[] | select(.target=="wrong")] | length == 2 and all(.status=="error" and .reason=="denied" and (.message|test("SignatureDoesNotMatch")))' "$json" >/dev/null
check "nothing but GET was sent" sh -c "grep -q '^GET DescribeDBInstances 200' '$WORK/servers.log' && ! grep -qE '^(POST|PUT|DELETE)' '$WORK/servers.log'"
check "no secret and no user name is kept" sh -c "! grep -rqE 'top/secret|must-not-be-kept' '$WORK/reports' '$WORK/out.txt' && ! grep -aqE 'top/secret|must-not-be-kept' '$WORK/rounds.db'"
"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "rounds check says what answers" grep -q '^rds (rds): RDS in eu-central-1, 3 instances' "$WORK/check.txt"
finish
