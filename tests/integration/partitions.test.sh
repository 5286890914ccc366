#!/bin/bash
# partitions on a real PostgreSQL with planted faults.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql jq

postgres_start main autovacuum=off || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE reader LOGIN; GRANT pg_monitor, pg_read_all_data TO reader"
sql "CREATE DATABASE app"
month() { date -u -d "$(date -u +%Y-%m-15) $1 month" +%Y-%m-01; } # month OFFSET
# decision_logs is as it should be; the others each have a fault.
partitions() { # partitions TABLE FROM UNTIL: one for each month
        local i
        for ((i = $2; i <= $3; i++)); do echo "CREATE TABLE $1_p$((i + 50)) PARTITION OF $1 FOR VALUES FROM ('$(month $i)') TO ('$(month $((i + 1)))');"; done
}
sql "CREATE TABLE decision_logs (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at); $(partitions decision_logs -3 2)
     CREATE TABLE decision_logs_rest PARTITION OF decision_logs DEFAULT;
     CREATE TABLE ended (id bigint, at date NOT NULL) PARTITION BY RANGE (at); $(partitions ended -3 -1)
     CREATE TABLE holey (id bigint, at timestamp NOT NULL) PARTITION BY RANGE (at); $(partitions holey -4 -3) $(partitions holey -1 2)
     CREATE TABLE holey_rest PARTITION OF holey DEFAULT; INSERT INTO holey SELECT i, '$(month -2)'::date + 3 FROM generate_series(1, 50) i;
     CREATE TABLE yearly (at date NOT NULL) PARTITION BY RANGE (at);
     CREATE TABLE yearly_now PARTITION OF yearly FOR VALUES FROM ('$(date -u +%Y)-01-01') TO ('$(($(date -u +%Y) + 1))-01-01');
     CREATE TABLE yearly_rest PARTITION OF yearly FOR VALUES FROM ('$(($(date -u +%Y) + 1))-01-01') TO (MAXVALUE);
     CREATE TABLE epochs (ms bigint NOT NULL) PARTITION BY RANGE (ms);
     CREATE TABLE epochs_now PARTITION OF epochs FOR VALUES FROM ($(date -u -d "$(month 0)" +%s)000) TO ($(date -u -d "$(month 1)" +%s)000);
     CREATE TABLE epochs_next PARTITION OF epochs FOR VALUES FROM ($(date -u -d "$(month 1)" +%s)000) TO ($(date -u -d "$(month 2)" +%s)000);
     CREATE TABLE tenants (t int, at date) PARTITION BY LIST (t);
     CREATE TABLE tenants_1 PARTITION OF tenants FOR VALUES IN (1) PARTITION BY RANGE (at); $(partitions tenants_1 -1 -1)
     CREATE TABLE hashed (id int, at date) PARTITION BY HASH (id); CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (modulus 1, remainder 0);
     CREATE TABLE heir (id int, at date); CREATE TABLE heir_1 (CHECK (at >= '2026-01-01' AND at < '2026-02-01')) INHERITS (heir);
     CREATE TABLE heir_2 (CHECK (at >= '2026-01-20' AND at < '2026-03-01')) INHERITS (heir);
     CREATE TABLE heir_3 (CHECK (at >= '2026-04-01' AND at < '2026-05-01')) INHERITS (heir);
     CREATE TABLE \"Plain|<b>\" (id bigint PRIMARY KEY, due date, created timestamptz NOT NULL);
     INSERT INTO \"Plain|<b>\" SELECT i, '2026-01-01'::date + (i * 7919 % 300), '2026-01-01'::timestamptz + i * interval '15 min' FROM generate_series(1, 30000) i;
     CREATE TABLE audit_logs (at date)" app
for table in holey_rest '"Plain|<b>"'; do sql "ANALYZE $table" app; done

config() { # config USER
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=$1", owner: data}
policy:
  DSK-4: {size: 1MB, tables: [decision_logs, audit_events, ended, yearly, epochs, public.hashed, heir, tenants]}
jobs:
  nightly: {audits: [partitions], report: {formats: [json, md], to: $WORK/reports-$1, latest: true}}
Y
        run "$1"
}
row() { jq -e "[.inventory.$1[]? | select($2)] | length == 1" "$json" >/dev/null || { jq -c ".inventory.$1[]?" "$json"; return 1; }; }

config reader
check "a table that is as it should be has no fault" none '.status!="pass" and .resource.name=="public.decision_logs"'
check "and stands in the inventory" row partitions '.table=="public.decision_logs" and .period=="month" and .partitions==7 and .default_rows==0'
check "a month that has no partition is found, with the statement that makes it" \
        has ".status==\"fail\" and .resource.kind==\"next partition\" and .resource.name==\"public.ended\" and (.observed|test(\"no partition takes rows of today\")) and (.remedy|test(\"CREATE TABLE .public...ended_$(date -u +%Y_%m). PARTITION OF .public...ended. FOR VALUES FROM \\\\(.$(month 0).\\\\) TO \\\\(.$(month 1).\\\\);\"))"
statement=$(jq -r '.findings[] | select(.resource.kind=="next partition" and .resource.name=="public.ended") | .remedy' "$json" | sed 's/^In app: //')
check "the statement works" sql "$statement" app
check "a gap is found" has ".status==\"fail\" and .resource.kind==\"gap\" and .resource.name==\"public.holey\" and (.observed|test(\"1 gap: $(month -2) to $(month -1)\"))"
check "and the rows that fell into the default partition" has '.status=="fail" and .resource.kind=="default partition" and .resource.name=="public.holey_rest" and (.observed|test("about 50 rows"))'
check "years are coarse" has '.status=="fail" and .resource.kind=="table" and .resource.name=="public.yearly" and (.observed|test("partitioned by year"))'
check "numbers are epochs" none '.status!="pass" and (.resource.name|test("epochs")?)'
check "epochs stand in the inventory" row partitions '.table=="public.epochs" and .period=="month"'
check "time below a list of tenants is looked at" has '.status=="fail" and .resource.kind=="next partition" and .resource.name=="public.tenants_1"'
check "a hash is no time" has '.status=="fail" and .resource.name=="public.hashed" and (.observed|test("partitioned by HASH \\(id\\)"))'
check "inheritance is told, with overlap and gap" has '.status=="fail" and .resource.name=="public.heir" and (.observed|test("public.heir_1 and public.heir_2 overlap; gap 2026-03-01 to 2026-04-01"))'
check "a plain table shows what it would gain" has '.status=="fail" and .resource.name=="public.Plain|<b>" and (.message|test("By month of created it would be about 11 partitions")) and (.remedy|test("PARTITION BY RANGE \\(\"created\"\\).*unique index Plain\\|<b>_pkey has to take in created"))'
check "a table of the policy that is not there is told, with one that is alike" has '.status=="skip" and .resource.name=="audit_events" and (.observed|test("app.public.audit_logs"))'
check "nothing was left unassessed" none '.status=="error"'

config rounds
check "pg_monitor alone finds the same faults" has '.status=="fail" and .resource.kind=="gap" and .resource.name=="public.holey"'
check "but not how much a month is" has '.resource.name=="public.Plain|<b>" and (.message|test("By month of due an old month.*sees no statistics"))'

# A lock on a default partition and on a plain table is not waited for, and a detach that was broken off is told.
mkfifo "$WORK/locker"
start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U postgres -d app -f "$WORK/locker"
exec 8>"$WORK/locker"
echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ended;" >&8
until [ "$(sql "SELECT count(*) FROM pg_locks WHERE relation IS NOT NULL AND mode = 'AccessShareLock' AND pid <> pg_backend_pid()")" -ge 1 ]; do sleep 0.1; done
# psql sends several statements as one transaction, in which it may not run.
printf "SET statement_timeout = '500ms';\nALTER TABLE ended DETACH PARTITION ended_p48 CONCURRENTLY;\n" |
        "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U postgres -d app >>"$WORK/servers.log" 2>&1
echo "ROLLBACK; BEGIN; LOCK TABLE holey_rest, \"Plain|<b>\" IN ACCESS EXCLUSIVE MODE;" >&8
until [ "$(sql "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation IS NOT NULL")" -ge 2 ]; do sleep 0.1; done
config rounds
check "locks delay nothing" has '.status=="fail" and .resource.kind=="gap" and .resource.name=="public.holey"'
check "a detach that was broken off is found" has '.status=="fail" and .resource.kind=="partition" and .resource.name=="public.ended_p48" and (.remedy|test("FINALIZE"))'
check "and hide nothing" none '.status=="error"'
echo "ROLLBACK;" >&8
exec 8>&-
finish
