#!/bin/bash
# The audit queues on real BullMQ queues, lists and streams: depth, growth, stuck jobs, retries, schemas; a cluster; nothing written.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
need redis-server redis-cli jq node
need_npm bullmq ioredis

cli() { redis_cli "$PORT" "$@"; }
bull() { node "$TOP/tests/integration/queues_bullmq.cjs" "redis://127.0.0.1:$PORT" "$@"; }
PORT=$(free_port)
redis_start "$PORT" --maxmemory-policy noeviction
wait_port "$PORT"
bull plant || exit 1
# A stream whose consumer took three messages and died, and seven that nobody took; a list; a list that is no more.
{
        echo "XGROUP CREATE events scorers \$ MKSTREAM"
        for i in $(seq 10); do echo "XADD events * payload '{\"tenant\":\"acme\",\"n\":$i}'"; done
        echo "XREADGROUP GROUP scorers worker-7 COUNT 3 STREAMS events >"
        for i in $(seq 130); do echo "LPUSH notify:pending '{\"to\":\"x$i\",\"createdAt\":$((($(date +%s) - 7200) * 1000))}'"; done
        # A job that its worker lost: active, and no lock.
        echo "HSET bull:seed-jobs:lost name orphan opts '{\"attempts\":3,\"backoff\":{\"type\":\"exponential\"}}' timestamp 1700000000000 processedOn 1700000000000"
        echo "LPUSH bull:seed-jobs:active lost"
        # BullMQ 4: a pause renamed wait to paused, a marker lies among the ids, a number of milliseconds is a fixed backoff.
        echo "HSET bull:v4-jobs:meta opts.maxLenEvents 10000 paused 1"
        for i in 1 2; do
                echo "HSET bull:v4-jobs:$i name old opts '{\"attempts\":5,\"backoff\":2000}' data '{}' timestamp $(date +%s)000 attemptsMade 4"
                echo "RPUSH bull:v4-jobs:paused $i"
        done
        echo "RPUSH bull:v4-jobs:wait 0:0"
        # Delayed, due for a quarter of an hour, and nobody takes it.
        echo "HSET bull:v4-due:meta opts.maxLenEvents 10000"
        echo "HSET bull:v4-due:9 name due opts '{\"attempts\":1,\"delay\":1000}' data '{}' timestamp $(date +%s)000"
        echo "ZADD bull:v4-due:delayed $((($(date +%s) - 900) * 1000 * 4096 + 9)) 9"
} | cli >/dev/null
start node "$TOP/tests/integration/queues_bullmq.cjs" "redis://127.0.0.1:$PORT" grow growing-jobs
start node "$TOP/tests/integration/queues_bullmq.cjs" "redis://127.0.0.1:$PORT" hold seed-jobs seed
cli ACL SETUSER rounds on ">pw rounds" "~*" +@connection +info +scan +exists +time +get +llen +lindex +lrange +zcard +zcount +zrange \
        +hmget +xinfo +xpending +xrange +xrevrange "+client|list" >/dev/null
printf 'pw rounds\n' >"$WORK/password"
cat >"$WORK/batch.schema.json" <<'J'
{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
J
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - name: queue
    kind: redis
    url: redis://rounds@127.0.0.1:$PORT
    password_file: $WORK/password
    role: queue
    owner: platform
    queue_window: 3s
    queues:
      - {name: pipeline-jobs, schema: {type: object, required: [tenant]}, limits: {segment: 1s}}
      - {name: batch-jobs, schema_file: $WORK/batch.schema.json, owner: scoring}
      - {name: retrain-jobs, schema: {type: object, unevaluatedProperties: false}}
      - {name: dsar-jobs}
      - {name: journey-jobs}
      - {name: growing-jobs}
      - {name: seed-jobs, limits: {seed: 1s}}
      - {name: v4-jobs}
      - {name: v4-due}
      - {name: absent-jobs}
      - {name: events, kind: stream, group: scorers, field: payload, schema: {type: object, properties: {n: {maximum: 9}}}, limits: {"*": 1s}}
      - {name: notifications, kind: list, key: "notify:pending", time: /createdAt}
      - {name: drained, kind: list}
policy:
  WRK-4: {untaken: 1s, growth_severe: 1000000}
  WRK-2: {stalled: 1s}
jobs:
  nightly: {audits: [queues], report: {formats: [json, md], to: $WORK/reports}}
Y
# Both are at work, however slow the machine.
for _ in $(seq 300); do
        [ "$(cli LLEN bull:growing-jobs:wait)" -gt 0 ] && [ "$(cli LLEN bull:seed-jobs:active)" -gt 1 ] && break
        sleep 0.1
done
sleep 1.5
redis_watch "$PORT"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
sleep 0.2
json=$(ls "$WORK"/reports/nightly-*Z.json)
queue_is() { has ".control==\"$1\" and .resource.name==\"$2\" and .status==\"$3\" and ((.observed + .message)|test(\"${4:-}\"))"; }
check "an unassessed queue makes exit status 2" [ "$status" -eq 2 ]
check "a healthy queue passes" queue_is WRK-4 pipeline-jobs pass '^5 waiting, oldest [0-9]+ (s|min), .*1 delayed'
check "its retries pass" queue_is WRK-5 pipeline-jobs pass '0 of 16 jobs'
check "its messages fit" queue_is DLQ-5 pipeline-jobs pass 'all of 16'
check "a deep queue is SEV1, prioritized jobs counted" has '.control=="WRK-4" and .resource.name=="batch-jobs" and .resource.kind=="queue" and .severity=="SEV1" and (.observed|test("^620 waiting")) and .owner=="scoring"'
check "nobody works on it" has '.resource.kind=="workers" and .resource.name=="batch-jobs" and .status=="fail" and (.observed|test("no worker is connected"))'
check "a sample says its size and interval" queue_is WRK-5 batch-jobs pass '0 of a sample of 200 .0 to 2 %'
check "messages that do not fit: which field, and how many" queue_is DLQ-5 batch-jobs fail '100 of 200 messages do not fit.*/id'
check "an unsupported keyword is an error that names it" has '.control=="DLQ-5" and .resource.name=="retrain-jobs" and .status=="error" and .reason=="unsupported" and (.message|test("unevaluatedProperties"))'
check "too many attempts and fixed backoff" queue_is WRK-5 retrain-jobs fail '6 of 10 jobs may be tried more than 3 times .up to 10: retrain.*backoff fixed'
check "a growing queue" queue_is WRK-4 growing-jobs fail '[+][0-9]+/min over [0-9]+ s.*grows steadily'
check "a paused queue with jobs" queue_is WRK-4 journey-jobs fail 'paused, 3 jobs wait'
check "a job past its type's limit" has '.control=="WRK-2" and .status=="fail" and .resource.namespace=="seed-jobs" and .resource.name=="seed" and (.observed|test("1 active for too long.*job 1\\)$"))'
check "a job that no worker holds" has '.control=="WRK-2" and .status=="fail" and .resource.name=="orphan" and (.observed|test("1 of them held by no worker"))'
check "a queue paused by BullMQ 4, its marker not counted" has '.resource.kind=="workers" and .resource.name=="v4-jobs" and (.observed|test("^paused, 2 jobs wait"))'
check "a backoff that is a number is a fixed one" queue_is WRK-5 v4-jobs fail '2 of 2 jobs may be tried more than 3 times .up to 5: old.*backoff fixed'
check "a delayed job that is due and not taken" has '.resource.kind=="workers" and .resource.name=="v4-due" and (.observed|test("^0 waiting and 1 overdue, oldest 15 min"))'
check "a queue that was never used is an error" has '.resource.name=="absent-jobs" and .status=="error" and .control=="WRK-5"'
check "a dead consumer of a stream" has '.control=="WRK-2" and .status=="fail" and .resource.kind=="consumer group" and (.observed|test("3 of 3 delivered.*worker-7"))'
check "the stream's lag is its depth" queue_is WRK-4 events pass '^7 waiting'
check "the stream's messages against their schema" queue_is DLQ-5 events fail '1 of 10 messages do not fit.*/n'
check "a list: depth and age" queue_is WRK-4 notifications fail '^130 waiting, oldest 2 h'
check "an empty list is not called healthy" has '.resource.name=="drained" and .status=="error" and .reason=="too-little-data"'
check "queues are inventory" jq -e '[.inventory.queues[] | select(.id=="batch-jobs" and .waiting==620 and .kind=="bullmq")] | length == 1' "$json"
check "payloads and keys are nowhere" sh -c "! grep -rqE 'krn_SECRET|globex' '$WORK/reports' '$WORK/out.txt'"
for id in $(sqlite3 "$WORK/rounds.db" "SELECT rowid FROM facts"); do
        sqlite3 "$WORK/rounds.db" "SELECT writefile('$WORK/facts.$id', body) FROM facts WHERE rowid = $id" >/dev/null
        zstd -dqcf "$WORK/facts.$id" >>"$WORK/facts.txt" 2>/dev/null
done
check "the stored facts can be read" grep -q '"batch-jobs"' "$WORK/facts.txt"
check "and hold no payload" sh -c "! grep -qE 'krn_SECRET|globex|\"tenant\"' '$WORK/facts.txt'"
redis_commands >"$WORK/commands.txt"
check "commands were seen" grep -qx HMGET "$WORK/commands.txt"
check "the documented rights were enough" sh -c "! jq -e '[.findings[] | select(.reason==\"denied\")] | length > 0' '$json' >/dev/null"

# Alone on the server: discovery, and nothing but reading.
stop_all
redis_start "$PORT" --maxmemory-policy noeviction
wait_port "$PORT"
bull plant || exit 1
cat >"$WORK/discover.yaml" <<Y
version: 1
store: sqlite:$WORK/discover.db
targets:
  - {name: queue, kind: redis, url: "redis://127.0.0.1:$PORT", role: queue, queue_window: 500ms}
jobs:
  nightly: {audits: [queues], report: {formats: [json], to: $WORK/discovered}}
Y
sleep 0.2
redis_watch "$PORT"
"$ROUNDS" run nightly -c "$WORK/discover.yaml" >"$WORK/out.txt" 2>&1
check "a deep queue is exit status 1" [ $? -eq 1 ]
sleep 0.2
json=$(ls "$WORK"/discovered/nightly-*Z.json)
check "queues are discovered" jq -e '[.inventory.queues[].id] == ["batch-jobs","dsar-jobs","journey-jobs","pipeline-jobs","retrain-jobs"]' "$json"
check "without a schema DLQ-5 is skipped" has '.control=="DLQ-5" and .status=="skip"'
redis_commands >"$WORK/commands.txt"
check "nothing but reading was sent" \
        sh -c "grep -qx SCAN '$WORK/commands.txt' && ! grep -vxE 'AUTH|CLIENT|INFO|CONFIG|SELECT|SCAN|TIME|EXISTS|GET|LLEN|LINDEX|LRANGE|ZCARD|ZCOUNT|ZRANGE|HMGET' '$WORK/commands.txt'"
# A user without the rights, and a server without a queue.
cli ACL SETUSER rounds on ">pw rounds" "~*" +@connection +info +scan >/dev/null
sed -e "s|redis://127|redis://rounds@127|; s|role: queue|role: queue, password_file: $WORK/password|" "$WORK/discover.yaml" >"$WORK/poor.yaml"
"$ROUNDS" run nightly -c "$WORK/poor.yaml" --no-report >"$WORK/out.txt" 2>&1
check "a user without rights is not assessed" [ $? -eq 2 ]
"$ROUNDS" check -c "$WORK/poor.yaml" >"$WORK/check.txt" 2>&1
check "rounds check names the ACL rules" grep -q 'ACL SETUSER rounds ~\* +hmget' "$WORK/check.txt"
cli FLUSHALL >/dev/null
rm -r "$WORK/discovered"
"$ROUNDS" run nightly -c "$WORK/discover.yaml" >"$WORK/out.txt" 2>&1
check "a queue server without queues is not assessed" [ $? -eq 2 ]
sed -i 's/role: queue/role: cache/' "$WORK/discover.yaml"
rm -r "$WORK/discovered"
"$ROUNDS" run nightly -c "$WORK/discover.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/discovered/nightly-*Z.json)
check "a cache without queues is skipped" jq -e '[.findings[].status] | unique == ["skip"]' "$json"

# A cluster: every key of a queue has the hash tag of its prefix.
C1=$(free_port) C2=$(free_port) C3=$(free_port)
redis_cluster "$C1" "$C2" "$C3"
ccli() { "$(program redis-cli)" -c -p "$C1" "$@" >/dev/null; }
ccli HSET '{bull}:batch-jobs:meta' opts.maxLenEvents 10000 version bullmq:5.1.0
for i in 1 2 3; do
        ccli HSET "{bull}:batch-jobs:$i" name score opts '{"attempts":3,"backoff":{"type":"exponential","delay":1}}' timestamp "$(date +%s)000"
        ccli LPUSH '{bull}:batch-jobs:wait' "$i"
done
cat >"$WORK/cluster.yaml" <<Y
version: 1
store: sqlite:$WORK/cluster.db
targets:
  - {name: found, kind: redis, url: "redis://127.0.0.1:$C1", queue_window: 0}
  - {name: named, kind: redis, url: "redis://127.0.0.1:$C1", queue_window: 0, queues: [{name: batch-jobs, prefix: "{bull}"}]}
jobs:
  nightly: {audits: [queues], report: {formats: [json], to: $WORK/cluster}}
Y
"$ROUNDS" run nightly -c "$WORK/cluster.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/cluster/nightly-*Z.json)
check "a queue of a cluster is found" has '.target=="found" and .control=="WRK-4" and .status=="pass" and (.observed|test("^3 waiting"))'
check "and read where it is named" has '.target=="named" and .control=="WRK-5" and .status=="pass" and (.observed|test("0 of 3"))'
finish
