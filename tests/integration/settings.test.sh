#!/bin/bash
# The settings audit on real servers: PostgreSQL, Redis, an HTTP service, files, and an API server's objects; planted faults and the
# healthy state; nothing of a secret anywhere.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
. "$(dirname "$0")/lib_postgres.sh"
need initdb postgres psql redis-server redis-cli jq node
postgres_start pg || { cat "$WORK/servers.log"; exit 1; }
sql "CREATE ROLE rounds LOGIN; CREATE TABLE app_settings (name text PRIMARY KEY, value text); GRANT ALL ON app_settings TO rounds;
     CREATE TABLE private (value text); INSERT INTO private VALUES ('1'); INSERT INTO app_settings VALUES ('lockout_failures', '50');" >/dev/null
REDIS_PORT=$(free_port)
redis_start "$REDIS_PORT"
wait_port "$REDIS_PORT"
redis() { redis_cli "$REDIS_PORT" "$@" >/dev/null; }
redis HSET settings login_limit "100/m"
HTTP_PORT=$(free_port)
SECRET=plantedSecretValue900
printf 'krn_plantedApiKey0123456789' >"$WORK/key"
base64_of() { printf '%s' "$1" | base64; }
cluster() { # IN_PROCESS TTL_SECONDS
        jq -n --arg inprocess "$1" --arg ttl "$(base64_of "$2")" --arg secret "$(base64_of "$SECRET")" '{
          "/settings": {auth: {rotateRefreshTokens: ($inprocess == "0")}, scoring: {cache: ($inprocess == "0")}},
          "/version": {gitVersion: "v1.32.0"},
          "/apis/apps/v1/namespaces/kaireon/deployments/kaireon-api": {kind: "Deployment", spec: {template: {spec: {containers: [
             {name: "api", env: [{name: "WORKER_INPROCESS", value: $inprocess}, {name: "BREAKER", valueFrom: {configMapKeyRef: {name: "app", key: "breaker"}}}],
              envFrom: [{secretRef: {name: "auth"}}]}]}}}},
          "/api/v1/namespaces/kaireon/configmaps/app": {data: {breaker: "enabled", "app.yaml": "kyc: {retries: 9, backoff: exponential}"}},
          "/api/v1/namespaces/kaireon/secrets/auth": {data: {TTL: $ttl, PASSWORD: $secret}},
          "/api/v1/namespaces/kaireon/secrets/denied": {"$status": 403, body: {message: "secrets \"denied\" is forbidden"}}}' >"$WORK/documents.json"
}
cluster 1 86400
start node "$TOP/tests/integration/json_server.mjs" "$HTTP_PORT" "$WORK/documents.json" "$WORK/requests.log" "$(cat "$WORK/key")"
wait_port "$HTTP_PORT"
printf 'deny = 5\nunlock_time = 60\n' >"$WORK/faillock.conf"
printf 'SCORING_TIMEOUT_MS=300000\nSTRIPE_SECRET_KEY=%s\n' "$SECRET" >"$WORK/worker.env"

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds sslmode=disable"}
  - {name: cache, kind: redis, url: "redis://127.0.0.1:$REDIS_PORT"}
  - {name: api, kind: http, url: "http://127.0.0.1:$HTTP_PORT", api_key_file: key}
  - {name: prod, kind: kubernetes, server: "http://127.0.0.1:$HTTP_PORT", token_file: key}
  - {name: gone, kind: http, url: "http://127.0.0.1:1"}
  - name: app
    kind: settings
    owner: platform
    settings:
      - {name: cache, is: score_cache, from: {target: api, get: /settings, pointer: /scoring/cache}}
      - {name: inprocess, is: worker_inprocess, from: {target: prod, env: WORKER_INPROCESS, workload: kaireon/kaireon-api}}
      - {name: timeout, is: job_timeout, of: scoring, unit: ms, from: {file: worker.env, key: SCORING_TIMEOUT_MS}}
      - {name: breaker, is: circuit_breaker, of: kyc, from: {target: prod, env: BREAKER, workload: kaireon/deployment/kaireon-api}}
      - {name: retries, is: retry_attempts, of: kyc, from: {target: prod, config_map: kaireon/app, key: app.yaml, format: yaml, pointer: /kyc/retries}}
      - {name: backoff, is: retry_backoff, of: kyc, from: {target: prod, object: /api/v1/namespaces/kaireon/configmaps/app, pointer: /data/app.yaml, capture: "backoff: ([a-z]+)"}}
      - {name: login, is: login_rate, of: /login, from: {target: cache, redis: [HGET, settings, login_limit]}}
      - {name: failures, is: lockout_failures, owner: identity, from: {target: db, sql: "SELECT value FROM public.app_settings WHERE name = 'lockout_failures';"}}
      - {name: lock, is: lockout_duration, unit: s, from: {file: faillock.conf, capture: "^unlock_time *= *([0-9]+)"}}
      - {name: token, is: access_token, unit: s, bound: 15m, from: {target: prod, secret: kaireon/auth, key: TTL}}
      - {name: unbounded secret, is: access_token, unit: s, from: {target: prod, env: TTL, workload: kaireon/kaireon-api}}
      - {name: no number, is: lockout_failures, bound: 5, from: {target: prod, secret: kaireon/auth, key: PASSWORD}}
      - {name: rotation, is: refresh_rotation, from: {target: api, get: /settings, pointer: /auth/rotateRefreshTokens}}
      - {name: denied secret, is: access_token, bound: 15m, from: {target: prod, secret: kaireon/denied, key: TTL}}
      - {name: denied table, is: lockout_failures, from: {target: db, sql: SELECT value FROM public.private}}
      - {name: two statements, is: lockout_failures, from: {target: db, sql: "SELECT 1) AS x; SET default_transaction_read_only = off; DELETE FROM public.app_settings; SELECT (1"}}
      - {name: writes, is: lockout_failures, from: {target: db, sql: "WITH d AS (DELETE FROM public.app_settings RETURNING value) SELECT value FROM d"}}
      - {name: no schema, is: lockout_failures, from: {target: db, sql: "SELECT value FROM app_settings"}}
      - {name: unreachable, is: score_cache, from: {target: gone, get: /x}}
      - {name: no file, is: score_cache, from: {file: nothing.yaml, key: a}}
      - {name: not set, is: worker_inprocess, from: {target: prod, env: NOT_THERE, workload: kaireon/kaireon-api}}
      - {name: no workload, is: worker_inprocess, from: {target: prod, env: X, workload: kaireon/nothing}}
      - {name: secret by name, is: score_cache, from: {file: worker.env, key: STRIPE_SECRET_KEY}}
jobs:
  nightly: {audits: [settings], report: {formats: [json, md, html, xlsx], to: $WORK/reports-rounds, latest: true}}
Y
lacks_secret() { ! grep -rlaE "$SECRET|$(base64_of "$SECRET")|krn_planted|86400|ODY0MDA=" "$@"; }
run rounds
check "faults are exit status 2: some could not be assessed" [ "$status" -eq 2 ]
check "an HTTP document: the cache is off" has '.control=="LAT-2" and .status=="fail" and .resource.name=="cache" and .owner=="platform"'
check "a container's variable: in-process workers" has '.control=="RED-6" and .status=="fail" and .resource.name=="inprocess" and .severity=="SEV2"'
check "a .env file: five minutes" has '.control=="WRK-2" and .status=="fail" and (.observed|test("5 min"))'
check "a variable from a ConfigMap: the breaker is on" has '.control=="WRK-3" and .status=="pass" and .resource.name=="breaker"'
check "a document inside a ConfigMap: nine attempts" has '.control=="API-5" and .status=="fail" and (.observed|test("^9 "))'
check "a part of any object: exponential" has '.control=="API-5" and .status=="pass" and .resource.name=="backoff"'
check "a Redis hash: 100 a minute" has '.control=="ATH-1" and .status=="fail" and (.observed|test("100 a minute"))'
check "a row of SQL: 50 failures, with its own owner" has '.control=="ATH-2" and .status=="fail" and (.observed|test("^50 ")) and .owner=="identity"'
check "a text by regular expression: one minute" has '.control=="ATH-2" and .status=="fail" and .resource.name=="lock" and (.observed|test("^1 min"))'
check "a Secret: the verdict" has '.control=="ATH-3" and .status=="fail" and .resource.name=="token" and (.observed|test("does not hold"))'
check "a Secret in the environment without a bound of its own says what to do" has '.status=="error" and .resource.name=="unbounded secret" and (.remedy|test("bound"))'
check "a Secret that is no number is an error" has '.status=="error" and .resource.name=="no number"'
check "a Secret that is denied names the rule" has '.status=="error" and .reason=="denied" and .resource.name=="denied secret" and (.remedy|test("resources: ..secrets"))'
check "a table that is denied is an error" has '.status=="error" and .reason=="denied" and .resource.name=="denied table"'
check "what would write is refused" has '.status=="error" and .resource.name=="writes"'
check "a table without its schema says so" has '.status=="error" and .resource.name=="no schema" and (.remedy|test("public.app_settings"))'
check "two statements are refused" has '.status=="error" and .resource.name=="two statements"'
check "and did nothing" [ "$(sql 'SELECT count(*) FROM app_settings')" = 1 ]
check "a service that is down is an error" has '.status=="error" and .reason=="unreachable" and .resource.name=="unreachable"'
check "a file that is not there is an error" has '.status=="error" and .resource.name=="no file"'
check "a variable that is not set means on" has '.status=="fail" and .resource.name=="not set" and (.observed|test("means on"))'
check "a workload that is not there is an error" has '.status=="error" and .resource.name=="no workload"'
check "the inventory lists them" jq -e '.inventory.settings | length == 23' "$json" >/dev/null
check "only GET was asked" bash -c "! grep -vE '^GET ' '$WORK/requests.log'"
check "no secret in reports, logs and output" lacks_secret "$WORK/reports-rounds" "$WORK/rounds.out" "$WORK"/servers.log
check "nor in the store's facts" bash -c "'$ROUNDS' rejudge -c '$WORK/rounds.yaml' >'$WORK/rejudge.txt' 2>&1; ! grep -aE '$SECRET|86400' '$WORK/rejudge.txt' '$WORK/rounds.db'"

"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "rounds check says which setting cannot be read, and how it could" bash -c "grep -q 'denied secret' '$WORK/check.txt' && grep -q 'apiGroups' '$WORK/check.txt' || { cat '$WORK/check.txt'; false; }"
check "and shows no secret" lacks_secret "$WORK/check.txt"

# --- mended
cluster 0 600
sql "UPDATE app_settings SET value = '5'" >/dev/null
redis HSET settings login_limit "10/m"
printf 'deny = 5\nunlock_time = 1800\n' >"$WORK/faillock.conf"
printf 'SCORING_TIMEOUT_MS=60000\n' >"$WORK/worker.env"
sed -i 's/retries: 9/retries: 3/' "$WORK/documents.json"
sed -i -E '/name: (unbounded secret|no number|denied secret|denied table|two statements|writes|no schema|unreachable|no file|not set|no workload|secret by name),/d' "$WORK/rounds.yaml"
run rounds
check "mended: status 0" [ "$status" -eq 0 ]
check "everything passes" bash -c "jq -e '[.findings[].status] | unique == [\"pass\"]' '$json' >/dev/null || jq -c '.findings[]|[.control,.status,.resource.name,.observed]' '$json'"
finish
