#!/bin/bash
# Dead letters where they lie: an outbox in PostgreSQL, behind HTTP, in a Redis list, in BullMQ's failed jobs; nothing written or kept.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
. "$(dirname "$0")/lib_postgres.sh"
need initdb postgres psql redis-server redis-cli jq node sqlite3
need_npm bullmq ioredis

postgres_start pg || { cat "$WORK/servers.log"; exit 1; }
sql "CREATE ROLE rounds LOGIN;
     CREATE TABLE outbox_events (id int PRIMARY KEY, \"tenantId\" text, topic text, payload jsonb, status text, error text, \"retryCount\" int,
       \"failedAt\" timestamptz);
     INSERT INTO outbox_events SELECT i, CASE WHEN i % 3 = 0 THEN 'acme' ELSE 'globex' END, CASE WHEN i <= 4 THEN 'decision.requested' ELSE 'journey.step' END,
       jsonb_build_object('customer', 'secret-customer-' || i, 'errorClass', CASE WHEN i % 2 = 0 THEN 'transient' END), 'dead',
       CASE WHEN i % 2 = 0 THEN 'connect ETIMEDOUT 10.0.0.' || i % 250 || ':443' ELSE 'field \"x' || i || '\" of krn_secretkey' || i || ' is missing' END,
       CASE WHEN i = 7 THEN 12 ELSE i % 4 END, now() - i * interval '1 minute' FROM generate_series(1, 620) i;
     INSERT INTO outbox_events SELECT i, 'acme', 'journey.step', '{}', 'sent', NULL, 0, NULL FROM generate_series(1000, 3000) i;
     CREATE TABLE hidden (id int, topic text); CREATE TABLE partly (id int, topic text, error text, secret text, failed_at timestamptz);
     INSERT INTO partly VALUES (1, 'mail', 'boom', 'x', now());
     GRANT SELECT ON outbox_events TO rounds; GRANT SELECT (topic, error, failed_at) ON partly TO rounds" >/dev/null || exit 1

PORT=$(free_port)
redis_start "$PORT" --maxmemory-policy noeviction
wait_port "$PORT"
cli() { redis_cli "$PORT" "$@"; }
node "$TOP/tests/integration/queues_bullmq.cjs" "redis://127.0.0.1:$PORT" plant || exit 1
for i in $(seq 30); do
        echo "LPUSH dlq '{\"topic\":\"mail\",\"error\":\"HTTP 500 from relay-$i\",\"retryCount\":$((i % 3)),\"failedAt\":\"2026-11-01T00:00:00Z\",\"payload\":{\"to\":\"secret-customer\",\"classification\":\"Permanent\"}}'"
done | cli >/dev/null
cli ACL SETUSER rounds on ">pw rounds" "~*" +@connection +info +scan +exists +llen +lrange +zcard +zrange +hmget >/dev/null
printf 'pw rounds\n' >"$WORK/password"

HTTP=$(free_port)
jq -n '{"/api/v1/admin/dlq?limit=500": {totalEvents: 260, byTopic: {"journey.step": 200, "mail": 60},
          events: [range(50) | {id: ., topic: "journey.step", payload: {customer: "secret-customer-\(.)"}, error: "Timeout after \(. * 100) ms", retryCount: (. % 4), failedAt: "2026-11-20T03:00:00Z", failureType: "transient"}]},
        "/api/v1/empty": {totalEvents: 0, byTopic: {}, events: []},
        "/api/v1/odd": {data: []}, "/api/v1/denied": {"$status": 403}}' >"$WORK/documents.json"
start node "$TOP/tests/integration/json_server.mjs" "$HTTP" "$WORK/documents.json" "$WORK/requests.log"
wait_port "$HTTP"

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - name: db
    kind: postgres
    dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds sslmode=disable"
    dead_letters:
      - {name: outbox, table: outbox_events, where: "status = 'dead'", owner: data}
      - {name: query, sql: "SELECT topic, error FROM public.outbox_events WHERE status = 'none';"}
      - {name: partly, table: public.partly}
      - {name: hidden, table: hidden}
      - {name: nowhere, table: no_such_table}
  - name: api
    kind: http
    url: http://127.0.0.1:$HTTP/api/v1
    dead_letters:
      - {name: service}
      - {name: empty, path: /empty}
      - {name: odd, path: /odd}
      - {name: denied, path: /denied}
  - name: queue
    kind: redis
    url: redis://rounds@127.0.0.1:$PORT
    password_file: $WORK/password
    dead_letters:
      - {name: dsar-jobs, tenant: /tenant}
      - {name: journey-jobs}
      - {name: mails, kind: list, key: dlq}
      - {name: drained, kind: list}
  - {name: cache, kind: redis, url: "redis://127.0.0.1:$PORT", role: cache}
  - {name: all queues, kind: redis, url: "redis://127.0.0.1:$PORT", role: queue}
policy:
  DLQ-3: {rules: [{match: "timeout*", class: transient}]}
jobs:
  nightly: {audits: [dead_letters], report: {formats: [json, md], to: $WORK/reports}}
Y
redis_watch "$PORT"
: >"$WORK/mark"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
sleep 0.2
json=$(ls "$WORK"/reports/nightly-*Z.json)
source_is() { has ".control==\"$1\" and .resource.name==\"$2\" and .status==\"$3\" and .target==\"${5:-$TARGET}\" and ((.observed + .message)|test(\"$4\"))"; }
check "sources that cannot be read make exit status 2" [ "$status" -eq 2 ]
TARGET=db
check "an outbox: total, topic, tenant, error, decisions" source_is DLQ-1 outbox fail '^620 dead letters, oldest 10 h.*topic journey.step .616.; of tenant globex .334.; most often: .*; 4 decision requests among them .decision.requested'
check "decisions make it SEV1, and its owner's" has '.resource.name=="outbox" and .severity=="SEV1" and .owner=="data"'
check "a message that was replayed too often, in a sample" source_is DLQ-2 outbox fail '1 of a sample of 500 .*more than 3 times .up to 12'
check "half of them say no class, and why they failed" source_is DLQ-3 outbox fail '250 of a sample of 500 .*say neither; most frequent error .50 %.: (connect ETIMEDOUT <n>:<n>|field <text> of <key> is missing)'
check "a query without rows is seen and passes" source_is DLQ-1 query pass '^0 dead letters'
check "columns that may not be read are left out" source_is DLQ-1 partly pass '^1 dead letter, .*mail'
check "a table that may not be read: the exact GRANT" has '.resource.name=="hidden" and .status=="error" and .reason=="denied" and (.remedy|test("GRANT SELECT ON public.hidden TO rounds;"))'
check "a table that is not there" has '.resource.name=="nowhere" and .status=="error" and .reason=="configuration"'
TARGET=api
check "a service: its own total and topics" source_is DLQ-1 service fail '^260 dead letters.*journey.step .200.*Timeout after <n> ms'
check "beyond 100 it is SEV3" has '.resource.name=="service" and .control=="DLQ-1" and .severity=="SEV3"'
check "its messages are classified" source_is DLQ-3 service pass '50 by the message'
check "its replays are bounded" source_is DLQ-2 service pass '0 of a sample of 50'
check "an empty service passes" source_is DLQ-1 empty pass '^0 dead letters'
check "a document of another shape is an error" has '.resource.name=="odd" and .status=="error" and .reason=="configuration"'
check "a refused path is an error" has '.resource.name=="denied" and .status=="error" and .reason=="denied"'
TARGET=queue
check "failed jobs of BullMQ: causes, decisions" source_is DLQ-1 dsar-jobs fail '^12 dead letters.*topic export .11.; of tenant .*connect ECONNREFUSED <n>:<n> for <key> .11.; 1 decision request among them'
check "jobs that were tried once were not tried again" source_is DLQ-2 dsar-jobs pass 'up to 0 times'
check "a queue without failures passes, since it was seen" source_is DLQ-1 journey-jobs pass '^0 dead letters'
check "a list" source_is DLQ-1 mails pass '^30 dead letters.*HTTP <n> from relay-<n> .30.'
check "classes of its payloads" source_is DLQ-3 mails pass '30 by the message'
check "a list that is empty is not called healthy" has '.resource.name=="drained" and .status=="error" and (.message|test("empty, or the key is wrong"))'
check "a cache is skipped" has '.target=="cache" and .status=="skip"'
check "queues are discovered" source_is DLQ-1 dsar-jobs fail '^12 dead letters' "all queues"
check "sources are inventory" jq -e '[.inventory.dead_letters[] | select(.id=="outbox" and .messages==620 and .looked_at==500)] | length == 1' "$json"
for id in $(sqlite3 "$WORK/rounds.db" "SELECT rowid FROM facts"); do
        sqlite3 "$WORK/rounds.db" "SELECT writefile('$WORK/facts.$id', body) FROM facts WHERE rowid = $id" >/dev/null
        zstd -dqcf "$WORK/facts.$id" >>"$WORK/facts.txt" 2>/dev/null
done
check "the stored facts can be read" grep -q '"shape"' "$WORK/facts.txt"
check "no payload is anywhere" sh -c "! grep -rqE 'secret-customer|krn_secret|birthDate' '$WORK/reports' '$WORK/out.txt' '$WORK/facts.txt'"
redis_commands >"$WORK/commands.txt"
check "nothing but reading was sent to Redis" \
        sh -c "grep -qx ZRANGE '$WORK/commands.txt' && ! grep -vxE 'AUTH|CLIENT|INFO|CONFIG|SELECT|SCAN|EXISTS|LLEN|LRANGE|ZCARD|ZRANGE|HMGET' '$WORK/commands.txt'"
check "nor to the service" sh -c "grep -q '^GET ' '$WORK/requests.log' && ! grep -qv '^GET ' '$WORK/requests.log'"
check "nor to PostgreSQL" sh -c "grep 'rounds|' '$PG_LOG' | grep -qE 'outbox_events' && ! grep 'rounds|' '$PG_LOG' | grep -qiE '(statement|execute[^:]*): *(INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|GRANT)'"
"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "rounds check names the GRANT" grep -q 'GRANT SELECT ON public.hidden TO rounds;' "$WORK/check.txt"

# The list was seen with messages: empty, it passes now.
cli DEL dlq >/dev/null
rm -r "$WORK/reports"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
check "a list that held messages once may be empty" source_is DLQ-1 mails pass '^0 dead letters'
finish
