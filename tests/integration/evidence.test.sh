#!/bin/bash
# Evidence on real places: files by glob, an HTTP service, an S3 store, jobs of a cluster, signed words; the images that run beside it;
# and when each duty is due again.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need jq node openssl
need_npm s3rver
now() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }
mkdir -p "$WORK/tests" "$WORK/s3/proofs/pentests"
echo "{\"latencyMs\": {\"p99\": 150, \"p95\": 120}, \"totals\": {\"errorRate\": 0.0005}}" >"$WORK/tests/$(date -u -d '-3 days' +%F)-recommend-peak.json"
echo "{\"latencyMs\": {\"p99\": 900}, \"totals\": {\"errorRate\": 0.5}}" >"$WORK/tests/$(date -u -d '-30 days' +%F)-recommend-peak.json"
touch "$WORK/tests/$(date -u -d '-30 days' +%F)-recommend-peak.json"
echo "{half a document" >"$WORK/tests/$(date -u +%F)-recommend-broken.json"
HTTP_PORT=$(free_port)
echo "{\"/release\": {\"run\": {\"ended\": \"$(now '-1 day')\", \"verdict\": \"passed\"}, \"images\": [{\"image\": \"registry/kaireon-api@sha256:$(printf 'a%.0s' {1..64})\"}]}}" >"$WORK/documents.json"
start node "$TOP/tests/integration/json_server.mjs" "$HTTP_PORT" "$WORK/documents.json" "$WORK/requests.log"
wait_port "$HTTP_PORT"
openssl genpkey -algorithm ed25519 -out "$WORK/jane.pem" 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$WORK/joe.pem" 2>/dev/null
attest() { "$ROUNDS" attest --key "$WORK/$1.pem" --who "$1" --control NOD-5 --what "$2" --at "$(now "$3")"; }
attest jane 'October "read", and decided' '-2 days' >"$WORK/jane.txt"
check "attest prints an item and a key" bash -c "grep -q 'signature:' '$WORK/jane.txt' && grep -q '# \"jane\": ' '$WORK/jane.txt'"
key=$(sed -n 's/^# "jane": "\(.*\)"/\1/p' "$WORK/jane.txt")
check "the key is the one that openssl shows" [ "$key" = "$(openssl pkey -in "$WORK/jane.pem" -pubout -outform DER | tail -c 32 | base64)" ]
"$ROUNDS" attest --key "$WORK/jane.pem" --who jane --control NOPE-1 --what x >"$WORK/wrong.txt" 2>&1
check "an unknown control is a mistake in the call" [ $? -eq 3 ]
item() { grep -v '^#' "$1" | sed 's/^/          /'; }

cat >"$WORK/head.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: api, kind: http, url: "http://127.0.0.1:$HTTP_PORT"}
  - name: proofs
    kind: evidence
    owner: platform
    keys: {jane: "$key"}
    evidence:
      - {name: load-test, from: {file: "tests/*-recommend-*.json"}}
      - {name: integration-tests, from: {target: api, get: /release}, fields: {time: /run/ended, outcome: /run/verdict}}
      - {name: missing document, controls: [CRT-5], from: {target: api, get: /nothing}}
      - {name: never done, controls: [ATH-5], owner: security, from: {file: "pentests/*.json"}}
      - name: capacity-review
        attestations:
$(item "$WORK/jane.txt")
Y
cat >"$WORK/tail.yaml" <<Y
jobs: {nightly: {audits: [evidence], report: {formats: [json, md, html, xlsx, ics], to: $WORK/reports-rounds, latest: true}}}
Y
cat "$WORK/head.yaml" "$WORK/tail.yaml" >"$WORK/rounds.yaml"
run rounds
check "of several files the newest by its own date counts, not the newest on disk" has '.control=="LAT-3" and .status=="pass" and (.observed|test("p99 150 ms"))'
check "a document of another form by its pointers" has '.control=="API-4" and .status=="pass" and (.observed|test("1 d"))'
check "a document that is not there is an error" has '.control=="CRT-5" and .status=="error"'
check "what was never done fails, and says whose it is" has '.control=="ATH-5" and .status=="fail" and .owner=="security" and (.message|test("no evidence"))'
check "signed words count" has '.control=="NOD-5" and .status=="pass" and (.observed|test("signed by jane"))'
check "who, when and what stand in the report" jq -e '.inventory.attestations | length == 1 and .[0].who == "jane" and (.[0].what|test("October"))' "$json"
check "in Markdown as well" grep -q 'October' "$WORK"/reports-rounds/nightly-latest.md
check "the calendar says when each duty is due" jq -e '[.inventory.duties[].control] | sort == ["ATH-5","LAT-3","NOD-5"]' "$json"

check "and as a file for calendar programs" bash -c "[ \$(grep -c '^BEGIN:VEVENT' '$WORK'/reports-rounds/nightly-latest.ics) -eq 3 ] && grep -q \"DTSTART;VALUE=DATE:$(date -u -d '+4 days' +%Y%m%d)\" '$WORK'/reports-rounds/nightly-latest.ics || { cat '$WORK'/reports-rounds/nightly-latest.ics; false; }"
check "the calendar stands in the report, soonest first" bash -c "grep -A4 'summary>Duties' '$WORK'/reports-rounds/nightly-latest.md | grep -m1 -oE 'ATH-5|LAT-3|NOD-5' | grep -qx ATH-5 || { cat '$WORK'/reports-rounds/nightly-latest.md; false; }"
attest joe 'I say so' '-1 hours' >"$WORK/joe.txt"
sed 's/and decided/and postponed/' "$WORK/jane.txt" >"$WORK/changed.txt"
{ cat "$WORK/head.yaml"; item "$WORK/joe.txt"; item "$WORK/changed.txt"; cat "$WORK/tail.yaml"; } >"$WORK/rounds.yaml"
run rounds
check "words of a stranger are a finding" has '.status=="fail" and .resource.kind=="attestation" and (.resource.name|test("^joe ")) and (.observed|test("^untrusted"))'
check "changed words are a finding" has '.status=="fail" and .resource.kind=="attestation" and (.observed|test("^wrong.*postponed"))'
check "the sound ones still count, and no others" has '.control=="NOD-5" and .status=="pass" and (.observed|test("2 d"))'
check "the report lists all three" jq -e '[.inventory.attestations[].signature] | sort == ["untrusted","valid","wrong"]' "$json"

# --- an S3 store, and a cluster
S3_PORT=$(free_port)
start node "$NODE_PATH/s3rver/bin/s3rver.js" -d "$WORK/s3" -a 127.0.0.1 -p "$S3_PORT" --configure-bucket proofs --no-vhost-buckets
wait_port "$S3_PORT"
put() { curl -fsS --aws-sigv4 aws:amz:us-east-1:s3 -u S3RVER:S3RVER -X PUT -H "x-amz-content-sha256: $(printf '%s' "$2" | sha256sum | cut -d' ' -f1)" --data-binary "$2" "http://127.0.0.1:$S3_PORT/proofs/$1" >/dev/null; }
check "evidence is put into the store" put pentests/q3.json "{\"date\": \"$(now '-100 days')\", \"result\": \"pass\"}"
check "and old news beside it" put other/q4.json "{\"date\": \"$(now '-1 day')\", \"result\": \"pass\"}"
mkdir -p "$WORK/objects"
tested=sha256:$(printf 'a%.0s' {1..64}) untested=sha256:$(printf 'b%.0s' {1..64})
jq -n --arg tested "$tested" --arg untested "$untested" 'def pod($name; $app; $digest): {metadata: {name: $name, namespace: "kaireon", uid: $name,
    ownerReferences: [{apiVersion: "apps/v1", kind: "StatefulSet", name: $app, uid: "x", controller: true}]},
    spec: {containers: [{name: "app", image: "registry/\($app):1.2"}]},
    status: {phase: "Running", containerStatuses: [{name: "app", ready: true, image: "registry/\($app):1.2", imageID: "registry/\($app)@\($digest)", state: {running: {}}}]}};
  {apiVersion: "v1", kind: "PodList", metadata: {}, items: [pod("kaireon-api-0"; "kaireon-api"; $tested), pod("kaireon-api-1"; "kaireon-api"; $tested), pod("kaireon-ml-0"; "kaireon-ml"; $untested)]}' >"$WORK/objects/core-v1-pods.json"
jq -n --arg at "$(now '-2 hours')" '{apiVersion: "batch/v1", kind: "CronJobList", metadata: {}, items: [{metadata: {name: "dlq-replay", namespace: "kaireon"},
  spec: {schedule: "0 * * * *", jobTemplate: {spec: {template: {spec: {containers: []}}}}}, status: {lastSuccessfulTime: $at}}]}' >"$WORK/objects/batch-v1-cronjobs.json"
jq -n --arg at "$(now '-3 days')" --arg old "$(now '-9 days')" 'def job($name; $at; $type): {metadata: {name: $name, namespace: "kaireon"}, spec: {template: {spec: {containers: []}}},
  status: {startTime: $at, completionTime: $at, conditions: [{type: $type, status: "True", lastTransitionTime: $at}]}};
  {apiVersion: "batch/v1", kind: "JobList", metadata: {}, items: [job("restore-1"; $old; "Complete"), job("restore-2"; $at; "Failed")]}' >"$WORK/objects/batch-v1-jobs.json"
kubernetes_start --objects "$WORK/objects"
printf 'S3RVER' >"$WORK/s3key"
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: store, kind: s3, bucket: proofs, endpoint: "http://127.0.0.1:$S3_PORT", style: path, region: us-east-1, access_key_file: s3key, secret_key_file: s3key}
  - {name: prod, kind: kubernetes, context: test, kubeconfig: [$KUBE_CONFIG]}
  - {name: api, kind: http, url: "http://127.0.0.1:$HTTP_PORT"}
  - name: proofs
    kind: evidence
    evidence:
      - {name: penetration-test, from: {target: store, prefix: pentests/}}
      - {name: replay, controls: [DLQ-2], from: {target: prod, cronjob: kaireon/dlq-replay}}
      - {name: restore, controls: [DSK-2], max_age: 90d, from: {target: prod, job: "kaireon/restore-*"}}
      - {name: integration-tests, from: {target: api, get: /release}, fields: {time: /run/ended, outcome: /run/verdict}}
      - {name: no job, controls: [DLQ-2], from: {target: prod, cronjob: kaireon/no-such-job}}
      - {name: empty prefix, controls: [CRT-5], from: {target: store, prefix: nothing/}}
jobs: {nightly: {audits: [evidence, images, promotion], report: {formats: [json], to: $WORK/reports-rounds, latest: true}}}
Y
run rounds
check "the newest object under a prefix: too old" has '.control=="ATH-5" and .status=="fail" and (.observed|test("100 d ago .s3://proofs/pentests/q3.json"))'
check "nothing under a prefix: never done" has '.control=="CRT-5" and .status=="fail" and (.observed|test("nothing at s3://proofs/nothing/"))'
check "a CronJob's last success" has '.control=="DLQ-2" and .status=="pass" and .resource.name=="replay" and (.observed|test("2 h"))'
check "the newest Job failed, for a control of another playbook" has '.control=="DSK-2" and .status=="fail" and .resource.name=="restore" and (.observed|test("restore-2"))'
check "an image whose digest was tested" has '.control=="API-4" and .status=="pass" and .resource.name=="kaireon-api/app"'
check "an image that nobody tested" has '.control=="API-4" and .status=="fail" and .resource.name=="kaireon-ml/app" and (.observed|test("no evidence"))'
check "only reads were sent to the API server" kubernetes_only_reads
check "a job that does not exist is an error" has '.control=="DLQ-2" and .status=="error"'
check "only GET was asked of the service" bash -c "! grep -vE '^GET ' '$WORK/requests.log'"
finish
