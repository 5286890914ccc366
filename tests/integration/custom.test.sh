#!/bin/bash
# Controls of one's own on real servers: SQL, Redis, HTTP, Kubernetes, Prometheus, files; they report like any other, waivers and explain
# know them, and nothing of a secret is kept.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
. "$(dirname "$0")/lib_postgres.sh"
need initdb postgres psql redis-server redis-cli prometheus jq node
postgres_start pg || { cat "$WORK/servers.log"; exit 1; }
sql "CREATE ROLE rounds LOGIN; CREATE TABLE orders (state text); GRANT SELECT ON orders TO rounds; INSERT INTO orders SELECT 'waiting' FROM generate_series(1, 150)" >/dev/null
REDIS_PORT=$(free_port)
redis_start "$REDIS_PORT"
wait_port "$REDIS_PORT"
redis_cli "$REDIS_PORT" RPUSH jobs a b c >/dev/null
PROM_PORT=$(free_port)
printf 'global: {scrape_interval: 1s}\nscrape_configs: []\n' >"$WORK/prometheus.yml"
start "$(program prometheus)" --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --web.listen-address="127.0.0.1:$PROM_PORT"
HTTP_PORT=$(free_port)
SECRET=plantedSecretToken4711
jq -n --arg secret "$(printf '%s' "$SECRET" | base64)" --arg at "$(date -u -d '-30 hours' +%Y-%m-%dT%H:%M:%SZ)" '{"/version": {version: "v1.2", key: "krn_plantedApiKey0123456789"},
  "/last": {finishedAt: $at}, "/api/v1/namespaces/kaireon/secrets/auth": {data: {TOKEN: $secret}},
  "/api/v1/namespaces/kaireon/resourcequotas/compute": {spec: {hard: {pods: "50"}}}}' >"$WORK/documents.json"
start node "$TOP/tests/integration/json_server.mjs" "$HTTP_PORT" "$WORK/documents.json" "$WORK/requests.log"
wait_port "$HTTP_PORT" && wait_port "$PROM_PORT"
until curl -fs "http://127.0.0.1:$PROM_PORT/-/ready" >/dev/null; do sleep 0.1; done
echo '{"limits": {"uploads": "5MB"}}' >"$WORK/limits.json"
printf t >"$WORK/token"
cat >"$WORK/waivers.yaml" <<Y
version: 1
waivers:
  - {id: W-1, control: MY-4, target: custom, reason: the backup host moves, owner: data, approver: jane, created: $(date -u -d '-1 day' +%F), expires: $(date -u -d '+20 days' +%F)}
Y
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
waivers: waivers.yaml
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds sslmode=disable"}
  - {name: cache, kind: redis, url: "redis://127.0.0.1:$REDIS_PORT"}
  - {name: api, kind: http, url: "http://127.0.0.1:$HTTP_PORT"}
  - {name: prod, kind: kubernetes, server: "http://127.0.0.1:$HTTP_PORT", token_file: token}
  - {name: metrics, kind: prometheus, url: "http://127.0.0.1:$PROM_PORT"}
custom:
  - {id: MY-1, title: orders do not pile up, from: {target: db, sql: "SELECT count(*) FROM public.orders"}, expect: {at_most: 100}, severity: SEV2, owner: sales, text: Orders wait., remedy: Scale the worker.}
  - {id: MY-2, title: jobs are few, from: {target: cache, redis: [LLEN, jobs]}, expect: {at_most: 3, at_least: 3}}
  - {id: MY-3, title: a tagged release, from: {target: api, get: /version, pointer: /version}, expect: {matches: "^v[0-9]"}}
  - {id: MY-4, title: the backup is fresh, from: {target: api, get: /last, pointer: /finishedAt}, expect: {newer_than: 26h}}
  - {id: MY-5, title: quota is set, from: {target: prod, object: /api/v1/namespaces/kaireon/resourcequotas/compute, pointer: /spec/hard/pods}, expect: {at_least: 50}}
  - {id: MY-6, title: two is more than one, from: {target: metrics, query: "vector(1) + 1"}, expect: {above: 1, below: 2.5}}
  - {id: MY-7, title: no series no verdict, from: {target: metrics, query: nothing_at_all}, expect: {at_most: 1}}
  - {id: MY-8, title: uploads are small, from: {file: limits.json, pointer: /limits/uploads}, expect: {at_most: 1MB}, severity: SEV4}
  - {id: MY-9, title: the token is long enough, from: {target: prod, secret: kaireon/auth, key: TOKEN}, expect: {matches: "^.{20,}$"}}
  - {id: ZZ-1, title: "hostile | <script>", from: {target: api, get: /version, pointer: /key}, expect: {equals: nothing}, text: "=HYPERLINK(1) | <script>"}
jobs:
  nightly: {audits: [custom], report: {formats: [json, md, html, xlsx], to: $WORK/reports-rounds, latest: true}}
Y
lacks_secret() { ! grep -rlaE "$SECRET|$(printf '%s' "$SECRET" | base64)|krn_planted" "$@"; }
run rounds
check "some could not be assessed: status 2" [ "$status" -eq 2 ]
check "SQL: too many, with the rule's own words" has '.control=="MY-1" and .status=="fail" and .severity=="SEV2" and .owner=="sales" and .message=="Orders wait." and .remedy=="Scale the worker." and (.observed|test("^150 ")) and .resource.name=="db"'
check "Redis passes" has '.control=="MY-2" and .status=="pass"'
check "HTTP passes" has '.control=="MY-3" and .status=="pass" and (.observed|test("v1.2"))'
check "what is too old is waived" has '.control=="MY-4" and .status=="waived" and .waiver=="W-1"'
check "Kubernetes passes" has '.control=="MY-5" and .status=="pass"'
check "Prometheus passes" has '.control=="MY-6" and .status=="pass" and (.observed|test("^2"))'
check "no series is an error" has '.control=="MY-7" and .status=="error" and (.message|test("no series"))'
check "a file with a size fails" has '.control=="MY-8" and .status=="fail" and .severity=="SEV4" and (.observed|test("5MB"))'
check "of a secret the verdict is kept" has '.control=="MY-9" and .status=="pass" and (.observed|test("not shown"))'
check "the report names the duties, after the catalogue's order" jq -e '[.controls[] | [.id, .title]] | .[0] == ["MY-1", "orders do not pile up"] and (map(.[0]) | index("MY-9") < index("ZZ-1"))' "$json"
check "they have a playbook of their own" grep -q 'Your own controls' "$WORK"/reports-rounds/nightly-latest.md
check "hostile words break nothing" bash -c "! grep -q '<script>' '$WORK'/reports-rounds/nightly-latest.html"
check "no secret anywhere" lacks_secret "$WORK/reports-rounds" "$WORK/rounds.out" "$WORK/rounds.db"
check "explain knows them" bash -c "'$ROUNDS' explain MY-1 -c '$WORK/rounds.yaml' | grep -q 'at most 100'"
check "list knows them" bash -c "'$ROUNDS' list controls -c '$WORK/rounds.yaml' | grep -q 'orders do not pile up'"
"$ROUNDS" rejudge -c "$WORK/rounds.yaml" >"$WORK/rejudge.txt" 2>&1
check "judged again nothing changes" bash -c "[ $? -le 2 ] && ! grep -qiE 'MY-[0-9]' '$WORK/rejudge.txt' || { cat '$WORK/rejudge.txt'; false; }"
sed -i 's/control: MY-4/control: MX-4/' "$WORK/waivers.yaml"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/rounds.out" 2>&1
check "a waiver of a control that nobody has is a mistake" bash -c "[ $? -eq 3 ] && grep -q 'no such control' '$WORK/rounds.out'"
sed -i 's/control: MX-4/control: MY-4/' "$WORK/waivers.yaml"

# --- a server that hangs costs each of its controls an error, and no silence
sed -i 's/^custom:/  - {name: slow, kind: http, url: "http:\/\/127.0.0.1:SLOW"}\ncustom:\n  - {id: AA-1, title: slow, from: {target: slow, get: \/x}, expect: {equals: 1}}/' "$WORK/rounds.yaml"
SLOW=$(free_port)
start node -e "require('net').createServer(s => s.on('error', () => {})).listen($SLOW, '127.0.0.1')"
wait_port "$SLOW"
sed -i "s/SLOW/$SLOW/" "$WORK/rounds.yaml"
sed -i -E '/^custom:/,/^jobs:/{s/^custom:/  - name: own\n    kind: custom\n    timeout: 1s\n    controls:/;s/^  - \{id/      - {id/}' "$WORK/rounds.yaml"
sed -i 's/target: custom/target: own/' "$WORK/waivers.yaml"
run rounds
check "every control that needs a server is an error once the time is over" jq -e '[.findings[] | select(.target=="own" and .status=="error" and .reason=="timeout") | .control] | length == 10 and (index("MY-1") != null)' "$json"
check "and what needs none is still judged" has '.target=="own" and .control=="MY-8" and .status=="fail"'
finish
