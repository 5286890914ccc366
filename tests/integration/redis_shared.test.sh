#!/bin/bash
# Cache and queue on real servers: two databases of one server, two replicas of one primary, and the healthy state; a metered plan
# that BullMQ's idle workers burn.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
need redis-server redis-cli jq node
need_npm bullmq

shared=$(free_port) other=$(free_port) copy1=$(free_port) copy2=$(free_port)
redis_start "$shared" --repl-diskless-sync-delay 0
redis_start "$other"
wait_port "$shared"
wait_port "$other"
redis_start "$copy1" --replicaof 127.0.0.1 "$shared"
redis_start "$copy2" --replicaof 127.0.0.1 "$shared"
for i in $(seq 300); do echo "SET decision:$i v EX 60"; done | redis_cli "$shared" >/dev/null
for i in $(seq 40); do echo "RPUSH bull:batch-jobs:wait $i"; echo "HSET bull:batch-jobs:$i name x"; done | redis_cli "$shared" -n 1 >/dev/null
for i in $(seq 40); do echo "HSET bull:batch-jobs:$i name x"; done | redis_cli "$other" >/dev/null
wait_port "$copy1"
wait_port "$copy2"
for port in $copy1 $copy2; do
        for _ in $(seq 200); do [ "$(redis_cli "$port" DBSIZE)" = 300 ] && break; sleep 0.05; done
done

configure() { # configure NAME CACHE_URL QUEUE_URL
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: cache, kind: redis, url: "$2", role: cache, key_classes: [{name: decision, match: "decision:*", ttl: 60s}]}
  - {name: queue, kind: redis, url: "$3", role: queue}
jobs:
  nightly: {audits: [redis_keys, redis_memory, redis_separation], report: {formats: [json], to: $WORK/$1}}
Y
        "$ROUNDS" run nightly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        json=$(ls "$WORK/$1"/nightly-*Z.json)
}
has() {
        jq -e "[.findings[] | select(.control==\"${CONTROL:-RED-4}\") | select($1)] | length >= 1" "$json" >/dev/null ||
                { jq -c '.findings[]' "$json"; return 1; }
}

configure databases "redis://127.0.0.1:$shared/0" "redis://localhost:$shared/1"
check "two databases of one server are found to be one" \
        has '.status=="fail" and .resource.name=="cache + queue" and (.observed|test("run_id")) and (.message|test("database number is no separation"))'
check "both sides are told with their numbers" has '(.observed|test("300 cache keys as decision:")) and (.observed|test("41 queue keys as bull:batch-jobs:"))'
check "the smaller side is the one to move" has '.remedy|test("^Move the queue")'

configure replicas "redis://127.0.0.1:$copy1/0" "redis://127.0.0.1:$copy2/1"
check "two replicas of one primary are found to be one" has '.status=="fail" and (.observed|test("replicate the same primary"))'

configure unseen "redis://127.0.0.1:$shared/0" "redis://127.0.0.1:$other/0"
check "a database that nobody looks at is no pass" has '.status=="error" and .resource.name=="cache" and (.message|test("Database 1 .* holds 41 keys"))'
check "a queue on a server of its own passes" has '.status=="pass" and .resource.name=="queue"'

redis_cli "$shared" -n 1 FLUSHDB >/dev/null
configure healthy "redis://127.0.0.1:$shared/0" "redis://127.0.0.1:$other/0"
check "cache and queue apart pass" has '.status=="pass" and .resource.name=="cache"'

for i in $(seq 3); do echo "RPUSH bull:mail:wait $i"; done | redis_cli "$shared" >/dev/null
configure strayed "redis://127.0.0.1:$shared/0" "redis://127.0.0.1:$other/0"
check "a queue that strayed into the cache is found" has '.status=="fail" and .resource.name=="cache" and (.observed|test("1 queue keys as bull:mail:wait"))'
# Two idle workers of real BullMQ on a plan of 500,000 commands a month.
metered=$(free_port)
redis_start "$metered"
wait_port "$metered"
cat >"$WORK/workers.js" <<'J'
const {Worker, Queue} = require('bullmq');
const connection = {host: '127.0.0.1', port: Number(process.argv[2]), maxRetriesPerRequest: null};
for (const name of ['batch-jobs', 'dsar-jobs']) new Worker(name, async () => {}, {connection, drainDelay: 1});
new Queue('seed-jobs', {connection}).add('seed', {});
setTimeout(() => process.exit(0), 60000);
J
start node "$WORK/workers.js" "$metered"
workers=$LAST
for _ in $(seq 200); do [ "$(redis_cli "$metered" CLIENT LIST | grep -c 'flags=b')" = 2 ] && break; sleep 0.05; done
meter() { # meter NAME QUOTA WINDOW
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: queue, kind: redis, url: "redis://127.0.0.1:$metered", role: queue}
policy:
  RED-6: {quota: $2, window: $3}
jobs:
  nightly: {audits: [redis_quota], report: {formats: [json], to: $WORK/$1}}
Y
        "$ROUNDS" run nightly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        json=$(ls "$WORK/$1"/nightly-*Z.json)
}
CONTROL=RED-6
meter burnt 500000 3s
check "the plan that idle workers burn fails" has '.status=="fail" and (.resource.kind==null or .resource.kind=="") and (.observed|test("bzpopmin")) and (.remedy|test("WORKER_INPROCESS=0"))'
check "empty queues that are polled are named" has '.status=="fail" and .resource.name=="bull:batch-jobs" and (.observed|test("1 client blocked in bzpopmin"))'
check "and the other one" has '.status=="fail" and .resource.name=="bull:dsar-jobs"'
check "a queue with a job in it is not" sh -c "! jq -e '.findings[] | select(.resource.name==\"bull:seed-jobs\")' '$json' >/dev/null"
meter ample 500000000 3s
check "within a large plan they are told in passing" has '.status=="pass" and (.message|test("workers poll empty queues: bull:batch-jobs, bull:dsar-jobs"))'
kill "$workers"
wait "$workers" 2>/dev/null
meter idle 50000000 1s
check "without workers the plan lasts, our own commands taken out" has '.status=="pass" and (.observed|test("^0 commands a month"))'
meter none 0 1s
check "without a quota it is skipped" has '.status=="skip"'

# A worker that goes from one poll to the next at the very moment of the first look: the second one sees it.
between=$(free_port)
cat >"$WORK/between.js" <<'J'
const bulk = (text) => `$${text.length}\r\n${text}\r\n`;
let looks = 0, calls = 0;
const answers = {
        INFO: () => bulk(`# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nuptime_in_seconds:9\r\n# Stats\r\ntotal_commands_processed:${calls += 50}\r\n# Commandstats\r\ncmdstat_bzpopmin:calls=${calls},usec=1\r\n`),
        CLIENT: (words) => (words[1] === 'LIST' ? bulk(`id=1 name=bull:YmF0Y2gtam9icw== flags=${looks++ % 2 ? 'b' : 'N'} cmd=bzpopmin\n`) : '+OK\r\n'),
        DBSIZE: () => ':0\r\n', LLEN: () => ':0\r\n', ZCARD: () => ':0\r\n', SCAN: () => '*2\r\n$1\r\n0\r\n*0\r\n',
};
require('net').createServer((c) => c.on('error', () => {}).on('data', (d) => {
        for (const one of d.toString().split(/(?=\*\d+\r\n)/)) {
                const words = one.split('\r\n').filter((_, i) => i > 0 && i % 2 === 0);
                c.write((answers[words[0]] || (() => '+OK\r\n'))(words));
        }
})).listen(Number(process.argv[2]), '127.0.0.1');
J
start node "$WORK/between.js" "$between"
wait_port "$between"
metered=$between meter between 5000 1s
check "a worker between two polls is seen" has '.status=="fail" and .resource.name=="bull:batch-jobs" and (.observed|test("1 client blocked in bzpopmin"))'
finish
