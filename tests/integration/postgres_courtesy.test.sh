#!/bin/bash
# Every audit of PostgreSQL as a guest: no user's table is scanned, no lock stronger than ACCESS SHARE is asked for, a lock of others
# is not waited for; and on a physical standby each says which figures that hides.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql pg_basebackup jq

audits="wal, pg_settings, connections, bloat, disk_growth, query_baseline, temp_files, vacuum, partitions, retention"
# Whoever adds an audit of this kind adds it here.
check "all audits of PostgreSQL are tried" [ "$(echo "$audits" | tr -d ' ' | tr ',' '\n' | sort | tr '\n' ' ')" = \
        "$(cd "$TOP" && grep -l 'looks_at = {"postgres"}' audits/*.c | xargs -n 1 basename -s .c | sort | tr '\n' ' ')" ]

postgres_start main autovacuum=off shared_preload_libraries=pg_stat_statements || exit 1
sql "CREATE ROLE reader LOGIN; GRANT pg_monitor, pg_read_all_data TO reader; CREATE EXTENSION pg_stat_statements"
sql "CREATE DATABASE app"
sql "CREATE EXTENSION pgstattuple; CREATE TABLE plain (id serial PRIMARY KEY, at timestamptz NOT NULL, t text); CREATE INDEX ON plain (at);
     INSERT INTO plain (at, t) SELECT now() - i * interval '1 hour', repeat('x', 200) FROM generate_series(1, 20000) i; DELETE FROM plain WHERE id % 3 = 0;
     CREATE TABLE wide (id int GENERATED ALWAYS AS IDENTITY, big text); ALTER TABLE wide ALTER big SET STORAGE EXTERNAL;
     INSERT INTO wide (big) SELECT repeat(md5(i::text), 200) FROM generate_series(1, 1000) i;
     CREATE TABLE log (at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE log_old PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
     CREATE TABLE log_rest PARTITION OF log DEFAULT; INSERT INTO log VALUES ('2020-01-05'), ('2026-01-05');
     CREATE MATERIALIZED VIEW kept AS SELECT * FROM plain;" app
sql "ANALYZE" app

config() { # config NAME PORT
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - name: db
    kind: postgres
    dsn: "host=127.0.0.1 port=$2 dbname=postgres user=reader"
    lock_timeout: 300ms
    bloat_budget: ${BUDGET:-0}
    volumes: [{name: data, size: 100GB}]
    retention: [{table: plain, keep: 30d}, {table: log, keep: 30d}]
policy:
  DSK-3: {size: 1MB}
  DSK-4: {tables: [log], size: 1MB}
  DSK-6: {size: 1MB}
jobs:
  nightly: {audits: [$audits], report: {formats: [json], to: $WORK/reports-$1, latest: true}}
Y
}
verdicts() { jq -c '[.findings[] | select(.reason != "too-little-data") | [.audit, .control, .status, .resource.kind, .resource.namespace, .resource.name]] | unique' "$json"; }

scans() { sql "SELECT sum(seq_scan) || ' scans of ' || sum(seq_tup_read) || ' rows' FROM pg_stat_all_tables WHERE relid >= 16384" app; }
config quiet "$PG_PORT"
before=$(scans)
run quiet
check "every audit saw something" [ "$(jq '[.findings[].audit] | unique | length' "$json")" -eq 10 ]
check "the guest found what is wrong" has '.audit=="vacuum" and .status=="fail" and .resource.name=="public.plain"'
check "no user's table was scanned" [ "$(scans)" = "$before" ]
verdicts >"$WORK/quiet.verdicts"

# EXCLUSIVE lets ACCESS SHARE pass and nothing else: whoever wanted more would run into the lock timeout.
holder() { # holder MODE RELATION...
        local mode=$1
        shift
        rm -f "$WORK/holder"
        mkfifo "$WORK/holder"
        start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U postgres -d app -f "$WORK/holder"
        exec 7>"$WORK/holder"
        echo "BEGIN; LOCK TABLE $(printf '%s,' "$@" | sed 's/,$//') IN $mode MODE; SELECT pg_advisory_lock(1);" >&7
        until [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'" app)" = 1 ]; do sleep 0.1; done
}
release() {
        echo "ROLLBACK; SELECT pg_advisory_unlock(1);" >&7
        exec 7>&-
        until [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'" app)" = 0 ]; do sleep 0.1; done
}
catalogues="pg_class, pg_attribute, pg_index, pg_namespace, pg_statistic, pg_inherits, pg_partitioned_table, pg_sequence, pg_depend, pg_proc"
holder EXCLUSIVE plain wide log log_old log_rest "$catalogues"
run quiet
check "no lock stronger than ACCESS SHARE is asked for" none '.reason=="timeout"'
check "and nothing else is found than before" [ "$(verdicts)" = "$(cat "$WORK/quiet.verdicts")" ]
release

# Somebody rewrites two tables: the others are judged as before, and nothing is said of those two that is not known.
holder "ACCESS EXCLUSIVE" plain log_rest
run quiet
check "a table under ACCESS EXCLUSIVE is not waited for" none '.reason=="timeout"'
check "nor is anything left unassessed" none '.status=="error" and .reason!="too-little-data"'
check "and its counters are judged" has '.audit=="vacuum" and .status=="fail" and .resource.name=="public.plain"'
check "its oldest row is told from statistics" has '.audit=="retention" and .resource.name=="public.plain" and (.observed|test("from statistics"))'
release

# A measurement reads a table's pages, and scans it as little.
BUDGET=20s config measured "$PG_PORT"
before=$(scans)
run measured
check "measuring bloat is no scan either" [ "$(scans)" = "$before" ]
check "and was done" has '.audit=="bloat" and (.observed|test("measured"))'

# A standby.
bin=$(dirname "$(program pg_basebackup)")
mkdir -p "$WORK/replica"
give_nobody "$WORK/replica"
as_nobody "$bin/pg_basebackup" -D "$WORK/replica" -R -X stream -c fast -d "host=127.0.0.1 port=$PG_PORT user=postgres application_name=replica" >>"$WORK/servers.log" 2>&1
primary=$PG_PORT
PG_PORT=$(free_port)
as_nobody sed -i "s/^port = .*/port = $PG_PORT/" "$WORK/replica/postgresql.conf"
echo "hot_standby_feedback = on" >>"$WORK/replica/postgresql.conf"
chmod 700 "$WORK/replica"
give_nobody "$WORK/replica"
start as_nobody "$bin/postgres" -D "$WORK/replica"
wait_port "$PG_PORT" 30 && until [ "$(sql "SELECT pg_is_in_recovery()" 2>/dev/null)" = t ]; do sleep 0.1; done
config standby "$PG_PORT"
run standby
check "every audit works on a standby" [ "$(jq '[.findings[].audit] | unique | length' "$json")" -eq 10 ]
check "vacuum says that its counters are the primary's" has '.audit=="vacuum" and .status=="error" and .reason=="unsupported" and (.message|test("standby")) and (.remedy|test("primary"))'
check "ages, sequences and indexes are judged there" has '.audit=="vacuum" and .status=="pass" and .resource.kind=="transaction ids"'
check "no table is called well kept there" none '.audit=="vacuum" and .status=="pass" and .resource.kind=="tables"'
check "partitions are judged as on the primary" has '.audit=="partitions" and .status=="fail" and .resource.name=="public.plain"'
check "so is the oldest row" has '.audit=="retention" and .status=="fail" and .resource.name=="public.plain"'
check "bloat says that its statistics may be old" has '.audit=="bloat" and .status=="fail" and (.observed|test("estimated; how much changed since the last analyze is known to the primary alone"))'
check "connections say whose they are" has '.audit=="connections" and (.message|test("This is a replica"))'
check "nothing else is left unassessed" none '.status=="error" and .reason!="too-little-data" and .audit!="vacuum"'

# The replica's feedback holds back vacuum on its primary, which names the replica.
start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U postgres -d app -c "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_sleep(60);"
PG_PORT=$primary
until [ "$(sql "SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL")" = 1 ]; do sleep 0.1; done
sql "DO \$\$ BEGIN FOR i IN 1..50 LOOP PERFORM txid_current(); COMMIT; END LOOP; END \$\$"
config quiet "$PG_PORT"
sed -i 's/DSK-3: {size: 1MB}/DSK-3: {size: 1MB, held_xids: 20}/' "$WORK/quiet.yaml"
run quiet
check "a replica that holds back its primary is named" has '.audit=="vacuum" and .status=="fail" and .resource.kind=="replica" and .resource.name=="replica" and (.observed|test("hot_standby_feedback"))'
finish
