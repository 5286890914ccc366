#!/bin/bash
# vacuum on a real PostgreSQL with planted faults, by a role that has pg_monitor and, once, one that may read sequences.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql pg_ctl pg_resetwal jq

postgres_start main wal_level=logical autovacuum_naptime=1h max_prepared_transactions=2 autovacuum_freeze_max_age=2000000000 || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE reader LOGIN; GRANT pg_monitor, pg_read_all_data TO reader;
     CREATE ROLE blind LOGIN; CREATE ROLE batch LOGIN"
sql "CREATE DATABASE app"
sql 'CREATE DATABASE "odd ""d"" |b"'
sql "CREATE TABLE dead (id int, t text); INSERT INTO dead SELECT i, md5(i::text) FROM generate_series(1, 30000) i;
     CREATE TABLE never (id int, t text); INSERT INTO never SELECT i, md5(i::text) FROM generate_series(1, 30000) i;
     CREATE TABLE fine (id int, t text); INSERT INTO fine SELECT i, md5(i::text) FROM generate_series(1, 30000) i;
     CREATE TABLE \"Off|\" (id int, t text) WITH (autovacuum_enabled = off);
     INSERT INTO \"Off|\" SELECT i, md5(i::text) FROM generate_series(1, 30000) i;
     CREATE TABLE log (at date, t text) PARTITION BY RANGE (at);
     CREATE TABLE log_11 PARTITION OF log FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
     INSERT INTO log SELECT '2026-11-01'::date + i % 30, md5(i::text) FROM generate_series(1, 30000) i;
     CREATE TABLE small (id smallserial PRIMARY KEY, whole int GENERATED ALWAYS AS IDENTITY, big bigserial);
     CREATE SEQUENCE borrowed; CREATE TABLE lends (id int DEFAULT nextval('borrowed'));
     SELECT setval('small_id_seq', 30000), setval('borrowed', 2000000000), setval('small_big_seq', 9000000000);
     CREATE SEQUENCE bounded MAXVALUE 100 CYCLE; SELECT setval('bounded', 99)" app >/dev/null
for table in dead fine '"Off|"' log_11; do sql "VACUUM ANALYZE $table" app; done
sql "UPDATE dead SET t = t || 'x' WHERE id % 2 = 0" app
sql "CREATE UNIQUE INDEX CONCURRENTLY broken ON log_11 ((at))" app 2>/dev/null
sql "SELECT pg_create_logical_replication_slot('left behind', 'test_decoding')" app >/dev/null 2>&1
sql "SELECT pg_create_logical_replication_slot('left_behind', 'test_decoding')" app >/dev/null
sql "BEGIN; INSERT INTO small DEFAULT VALUES; PREPARE TRANSACTION 'it''s forgotten'" app
mkfifo "$WORK/session"
start env PGAPPNAME=nightly "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U batch -d app -f "$WORK/session"
exec 9>"$WORK/session"
echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;" >&9
until [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nightly' AND backend_xmin IS NOT NULL")" = 1 ]; do sleep 0.1; done
sql "DO \$\$ BEGIN FOR i IN 1..50 LOOP PERFORM txid_current(); COMMIT; END LOOP; END \$\$"
sleep 1.5

config() { # config USER [POLICY]
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=$1", owner: data}
policy:
  DSK-3: {size: 1MB, ${2:-age: 1s, held: 1s, held_xids: 20}}
jobs:
  nightly: {audits: [vacuum], report: {formats: [json, md], to: $WORK/reports-$1, latest: true}}
Y
}
row() { jq -e "[.inventory.$1[]? | select($2)] | length == 1" "$json" >/dev/null || { jq -c ".inventory.$1[]?" "$json"; return 1; }; }

config reader
run reader
check "findings are exit status 1" [ "$status" -eq 1 ]
check "dead rows are found, with what keeps vacuum from them" \
        has '.status=="fail" and .resource.kind=="table" and .resource.namespace=="app" and .resource.name=="public.dead" and (.observed|test("33 % of its rows are dead \\(15000\\)")) and (.remedy|test("^First end what holds vacuum back .*VACUUM \\(VERBOSE, ANALYZE\\) \"public\".\"dead\""))'
check "a table that was never analysed is found" has '.status=="fail" and .resource.name=="public.never" and (.observed|test("never analysed, 100.0 % of its rows changed"))'
check "a table that did not change is fine although it was vacuumed too long ago" none '.status=="fail" and .resource.name=="public.fine"'
check "autovacuum switched off for a table is found" has '.status=="fail" and .resource.name=="public.Off|" and (.observed|test("autovacuum is switched off")) and (.remedy|test("ALTER TABLE \"public\".\"Off\\|\" RESET"))'
check "a partitioned table never analysed as a whole is found" has '.status=="fail" and .resource.kind=="partitioned table" and .resource.name=="public.log" and (.remedy|test("ANALYZE \"public\".\"log\""))'
check "the session that holds back vacuum is found" has '.status=="fail" and .resource.kind=="session" and .resource.namespace=="app" and .resource.name=="batch/nightly" and (.observed|test("idle in transaction")) and (.remedy|test("pg_terminate_backend\\([0-9]+\\)"))'
check "so is the prepared transaction" has '.status=="fail" and .resource.kind=="prepared transaction" and (.remedy|test("ROLLBACK PREPARED .it..s forgotten.;"))'
check "so is the slot" has '.status=="fail" and .resource.kind=="slot" and .resource.name=="left_behind" and (.observed|test("catalog_xmin")) and (.remedy|test("pg_drop_replication_slot"))'
check "a smallint that runs out is found" has '.status=="fail" and .resource.kind=="sequence" and .resource.name=="public.small_id_seq" and (.observed|test("91.6 % used: 30001 of 32767"))'
check "so is an integer fed by a sequence that it does not own" has '.status=="fail" and .resource.name=="public.borrowed" and (.observed|test("93.1 %.*integer column public.lends.id"))'
check "a sequence that cycles is not" none '.status=="fail" and .resource.name=="public.bounded"'
check "nor is a bigint" none '.resource.name=="public.small_big_seq"'
check "sequences are listed" row sequences '.sequence=="public.borrowed" and .used_percent > 93'
check "an invalid index is found" has '.status=="fail" and .resource.kind=="index" and .resource.name=="public.broken" and (.remedy|test("REINDEX INDEX CONCURRENTLY \"public\".\"broken\""))'
check "no database is near wraparound" has '.status=="pass" and .resource.kind=="transaction ids"'
check "autovacuum is on" has '.status=="pass" and .resource.name=="autovacuum"'
check "tables are listed" row vacuum '.table=="public.dead" and .dead_percent > 33 and .autovacuum=="on"'
check "nothing was left unassessed" none '.status=="error"'

config rounds
run rounds
check "without the right to read sequences they are an error with its grant" has '.status=="error" and .reason=="denied" and .resource.name=="unread" and (.remedy|test("GRANT pg_read_all_data"))'
check "and nothing else is" none '.status=="error" and .resource.name!="unread"'
config blind
run blind
check "hidden sessions are an error with the grant" has '.status=="error" and .resource.kind=="horizon" and (.remedy|test("GRANT pg_monitor TO"))'

# A lock on a table delays nobody, and its neighbours are judged.
mkfifo "$WORK/locker"
start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U postgres -d app -f "$WORK/locker"
exec 8>"$WORK/locker"
echo "BEGIN; LOCK TABLE never IN ACCESS EXCLUSIVE MODE;" >&8
until [ "$(sql "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation IS NOT NULL")" -ge 1 ]; do sleep 0.1; done
run reader
check "a locked table is judged by its counters" has '.status=="fail" and .resource.name=="public.never"'
echo "ROLLBACK;" >&8
exec 8>&-

# Mended: everything passes.
exec 9>&-
sleep 0.3
sql "ROLLBACK PREPARED 'it''s forgotten'" app
sql "SELECT pg_drop_replication_slot('left_behind')" >/dev/null
sql "ALTER TABLE small ALTER id TYPE bigint; ALTER SEQUENCE small_id_seq AS bigint; ALTER TABLE lends ALTER id TYPE bigint;
     ALTER SEQUENCE borrowed AS bigint NO MAXVALUE; DROP INDEX broken; ALTER TABLE \"Off|\" RESET (autovacuum_enabled); ANALYZE log" app
sql "VACUUM ANALYZE" app
config reader "age: 24h"
run reader
check "what was mended passes" [ "$status" -eq 0 ]
check "with a finding for each part" jq -e '[.findings[] | select(.status=="pass")] | length == 8' "$json"

# Counters reset a moment ago: nothing is said of tables that changed since, and nothing is called sound.
sql "SELECT pg_stat_reset()" app >/dev/null
sql "UPDATE fine SET t = 'y' WHERE id % 20 = 0" app
sql "SELECT pg_stat_force_next_flush()" app >/dev/null
run reader
check "after a reset a table that changed is not judged" has '.status=="error" and .reason=="too-little-data" and .resource.name=="counters" and (.message|test("app.public.fine"))'
check "and not blamed" none '.status=="fail"'

# Switched off, and 1.8 of 2.1 billion transactions used.
sql "ALTER SYSTEM SET autovacuum = off"
as_nobody "$(program pg_ctl)" -D "$PG_DATA" -m fast -w stop >/dev/null
as_nobody "$(program pg_resetwal)" -x 1800000000 -D "$PG_DATA" >/dev/null
dd if=/dev/zero of="$PG_DATA/pg_xact/$(printf '%04X' $((1800000000 / 1048576)))" bs=256k count=1 2>/dev/null
give_nobody "$PG_DATA"
start as_nobody "$(program postgres)" -D "$PG_DATA"
wait_port "$PG_PORT" 30 && until sql "SELECT 1" >/dev/null 2>&1; do sleep 0.1; done
run reader
check "autovacuum switched off is found" has '.status=="fail" and .resource.kind=="setting" and .resource.name=="autovacuum" and (.remedy|test("ALTER SYSTEM SET autovacuum = on"))'
check "wraparound is SEV1, with its tables" has '.status=="fail" and .severity=="SEV1" and .resource.kind=="transaction ids" and .resource.name=="app" and (.observed|test("1.80 billion transactions: 84 % of the limit, 90 % of autovacuum_freeze_max_age; oldest: ")) and (.remedy|test("in app: VACUUM \\(FREEZE, VERBOSE\\) "))'
check "a database that nobody may enter counts too" has '.severity=="SEV1" and .resource.name=="template0" and (.remedy|test("ALLOW_CONNECTIONS"))'
finish
