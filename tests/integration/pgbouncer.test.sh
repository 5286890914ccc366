#!/bin/bash
# pgbouncer and pool_headroom on real PgBouncers in front of a real PostgreSQL, with planted faults.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
. "$(dirname "$0")/lib_pgbouncer.sh"
need postgres initdb psql pgbouncer jq python3

postgres_start main max_connections=60 || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE api LOGIN; CREATE ROLE batch LOGIN"

POOLER_DATABASES="narrow = host=127.0.0.1 port=$PG_PORT dbname=postgres user=api pool_size=1"
client() { # client PORT USER DATABASE SQL
        "$(program psql)" -X -q -A -t -h 127.0.0.1 -p "$1" -U "$2" -d "$3" -c "$4"
}

pgbouncer_start bad server_idle_timeout=0 query_wait_timeout=0 max_client_conn=30 default_pool_size=40
BAD=$PORT
pgbouncer_start good server_idle_timeout=300 query_wait_timeout=15 max_client_conn=200 default_pool_size=10
GOOD=$PORT
for user in api batch; do client "$BAD" "$user" app 'SELECT 1' >/dev/null; client "$GOOD" "$user" app 'SELECT 1' >/dev/null; done
# One server for "narrow": the first client holds it, the second waits.
start "$(program psql)" -X -q -h 127.0.0.1 -p "$BAD" -U api -d narrow -c 'SELECT pg_sleep(30)'
sleep 0.5
start "$(program psql)" -X -q -h 127.0.0.1 -p "$BAD" -U api -d narrow -c 'SELECT 1'
# A peer that takes the connection and never says a word.
python3 -c 'import socket,time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(100)' >"$WORK/mute.port" &
PIDS+=($!)
sleep 2
MUTE=$(cat "$WORK/mute.port")

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds", owner: data}
  - {name: other, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds"}
  - {name: bad, kind: pgbouncer, dsn: "host=127.0.0.1 port=$BAD user=rounds", databases_of: db, owner: data}
  - {name: good, kind: pgbouncer, dsn: "host=127.0.0.1 port=$GOOD user=rounds", databases_of: other}
  - {name: half, kind: pgbouncer, dsn: "host=127.0.0.1,127.0.0.1 port=$GOOD,1 user=rounds"}
  - {name: gone, kind: pgbouncer, dsn: "host=127.0.0.1 port=1 user=rounds"}
  - {name: denied, kind: pgbouncer, dsn: "host=127.0.0.1 port=$GOOD user=nosy"}
  - {name: stranger, kind: pgbouncer, dsn: "host=127.0.0.1 port=$GOOD user=stranger"}
  - {name: mute, kind: pgbouncer, dsn: "host=127.0.0.1 port=$MUTE user=rounds", timeout: 3s}
policy:
  DBC-4: {peak: 20}
jobs:
  nightly: {audits: [pg_settings, pgbouncer, pool_headroom], report: {formats: [json], to: $WORK/reports, latest: true}}
Y
started=$SECONDS
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
took=$((SECONDS - started))
json=$WORK/reports/nightly-latest.json
check "not everything could be assessed: exit status 2" [ "$status" -eq 2 ]
check "server_idle_timeout 0 is found" has '.target=="bad" and .control=="DBC-2" and .status=="fail" and .resource.name=="server_idle_timeout"'
check "query_wait_timeout 0 is found" has '.target=="bad" and .control=="DBC-5" and .status=="fail" and (.message|test("for ever"))'
check "too small a max_client_conn is found" has '.target=="bad" and .control=="DBC-4" and .status=="fail" and .resource.name=="max_client_conn" and (.remedy|test("max_client_conn = 40"))'
check "the waiting client is found" has '.target=="bad" and .status=="fail" and .resource.kind=="pool" and .resource.namespace=="narrow" and (.observed|test("1 client\\(s\\) wait"))'
check "the pools' sum is compared with the server" \
        has '.control=="DBC-4" and .status=="fail" and .resource.kind=="pools" and .resource.name=="db" and (.observed|test("bad opens up to 81 .*db takes 57")) and (.remedy|test("default_pool_size = 28 .now 40."))'
check "the good pooler passes" none '.target=="good" and .status!="pass"'
check "the good pooler fits" has '.status=="pass" and .resource.kind=="pools" and .resource.name=="other" and (.observed|test("good opens up to 21"))'
check "one of two addresses is an error, the other is judged" has '.target=="half" and .status=="error" and .reason=="unreachable" and (.resource.name|test(":1$"))'
check "the address that answers is judged all the same" has '.target=="half" and .status=="pass" and .control=="DBC-2"'
check "a pooler that is gone is unreachable, once per control" has '.target=="gone" and .status=="error" and .reason=="unreachable"'
check "a user that may not look is denied, with what to add" \
        has '.target=="denied" and .status=="error" and .reason=="denied" and (.remedy|test("stats_users"))'
check "an unknown user is denied" has '.target=="stranger" and .status=="error" and .reason=="denied"'
check "a mute one costs its own deadline" has '.target=="mute" and .status=="error" and .reason=="timeout"'
check "and nobody else's" [ "$took" -lt 15 ]
check "idle timeouts are in order" has '.control=="DBC-2" and .resource.kind=="timeouts" and .status=="pass"'

# The server cuts idle sessions before the pooler lets go of them.
sql "ALTER SYSTEM SET idle_session_timeout = '60s'"
sql "SELECT pg_reload_conf()" >/dev/null
sleep 0.5
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
check "a server that cuts first is found" \
        has '.control=="DBC-2" and .resource.kind=="timeouts" and .resource.name=="other" and .status=="fail" and (.remedy|test("server_idle_timeout = 30"))'
finish
