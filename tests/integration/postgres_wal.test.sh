#!/bin/bash
# wal and pg_settings on a real PostgreSQL with planted faults, by a role that has pg_monitor and nothing else.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql jq

postgres_start main wal_level=logical archive_mode=on archive_command="'/bin/false'" || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE blind LOGIN; CREATE ROLE batch LOGIN; CREATE ROLE app LOGIN;
     ALTER ROLE batch SET idle_in_transaction_session_timeout = 0"
sql 'CREATE DATABASE "odd ""name"" =1"'
sql 'ALTER ROLE app IN DATABASE "odd ""name"" =1" SET idle_in_transaction_session_timeout = '"'1h'"
sql "SELECT pg_create_physical_replication_slot('forgotten', true)" >/dev/null
sql "CREATE TABLE t (x text); INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 30000); SELECT pg_switch_wal()" >/dev/null
# A session that sits in a transaction.
mkfifo "$WORK/session"
start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U app -d postgres -f "$WORK/session"
exec 9>"$WORK/session"
echo "BEGIN; SELECT 1;" >&9
sleep 1.5

config() { # config USER
        cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=$1", owner: data}
policy:
  DSK-7: {slot_retained: 1MB}
  DBC-1: {idle: 1s}
jobs:
  nightly: {audits: [wal, pg_settings, connections], report: {formats: [json, md], to: $WORK/reports-$1}}
Y
}
config rounds
: >"$PG_LOG"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
json=$(ls "$WORK"/reports-rounds/nightly-*Z.json)
check "findings are exit status 1" [ "$status" -eq 1 ]
check "the forgotten slot is found, with what it retains" \
        has '.status=="fail" and .resource.kind=="slot" and .resource.name=="forgotten" and (.observed|test("MiB retained, inactive")) and (.remedy|test("pg_drop_replication_slot"))'
check "no bound on slots is found" has '.status=="fail" and .resource.name=="max_slot_wal_keep_size"'
check "the failing archiver is found" has '.status=="fail" and .resource.kind=="archiver" and (.observed|test("failing"))'
check "pg_wal has its size" has '.resource.name=="pg_wal" and .status=="pass"'
check "the server's missing timeout is found" has '.status=="fail" and .resource.name=="idle_in_transaction_session_timeout"'
check "a role's override is found" has '.status=="fail" and .resource.kind=="role" and .resource.name=="batch" and ((.resource.namespace // "")=="") and (.remedy|test("ALTER ROLE \"batch\" RESET"))'
check "a role's override in one database is found" has '.status=="fail" and .resource.name=="app" and .resource.namespace=="odd \"name\" =1"'
check "the session in a transaction is found" has '.status=="fail" and .resource.kind=="session" and (.observed|test("idle in transaction"))'
check "nothing was left unassessed" none '.status=="error"'
check "nothing but reading was asked of the server" \
        sh -c "! grep '^rounds|LOG' '$PG_LOG' | sed -nE 's/.*(statement|execute [^:]*): //p' | grep -qvE '^(SELECT|WITH|SHOW|SET|BEGIN|COMMIT|ROLLBACK) ?'"
check "rounds was seen as rounds" grep -q '^rounds|' "$PG_LOG"

# The same again: growth is now known, and the archiver mended shows as fixed.
sql "ALTER SYSTEM SET archive_command = '/bin/true'"; sql "SELECT pg_reload_conf()" >/dev/null
sql "SELECT pg_switch_wal()" >/dev/null
for _ in $(seq 100); do [ "$(sql "SELECT last_archived_time > last_failed_time FROM pg_stat_archiver")" = t ] && break; sleep 0.2; done
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >/dev/null 2>&1
json=$(ls "$WORK"/reports-rounds/nightly-*Z.json | tail -n 1)
check "the mended archiver counts as fixed" jq -e '.changes.fixed | if type=="array" then length else . end >= 1' "$json"

# Without pg_monitor: what cannot be seen is an error with the exact grant, never a pass.
config blind
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
json=$(ls "$WORK"/reports-blind/nightly-*Z.json)
check "not fully assessed is exit status 2" [ "$status" -eq 2 ]
check "the size of pg_wal is an error with its grant" \
        has '.status=="error" and .control=="DSK-7" and .reason=="denied" and (.remedy|test("GRANT pg_monitor TO"))'
"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "rounds check names the grant" grep -q 'GRANT pg_monitor TO blind' "$WORK/check.txt"

# A server that is gone, a wrong port, a user that may not: one error each, at once.
sed "s/port=$PG_PORT/port=1/" "$WORK/rounds.yaml" >"$WORK/gone.yaml"
"$ROUNDS" run nightly -c "$WORK/gone.yaml" --no-report >"$WORK/out.txt" 2>&1
check "a server that is gone is exit status 2" [ $? -eq 2 ]
finish
