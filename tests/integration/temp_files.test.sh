#!/bin/bash
# temp_files on a real PostgreSQL: a file left over, one of a living session, a database that spills; by pg_monitor, and by roles
# that may not look.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql jq

postgres_start main work_mem=64kB || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE blind LOGIN"
sql "CREATE DATABASE spill"
# The file of a crash long ago: its process is gone.  And one whose number another process has now, which began later.
pid=$(sql "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
mkdir -p "$PG_DATA/base/pgsql_tmp"
head -c 300000 /dev/zero >"$PG_DATA/base/pgsql_tmp/pgsql_tmp4190001.0"
head -c 100000 /dev/zero >"$PG_DATA/base/pgsql_tmp/pgsql_tmp$pid.3"
touch -d '3 days ago' "$PG_DATA"/base/pgsql_tmp/*
give_nobody "$PG_DATA/base/pgsql_tmp"
# A session whose file lives: a cursor over a sort.
mkfifo "$WORK/session"
start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U postgres -d spill -f "$WORK/session"
exec 9>"$WORK/session"
echo "BEGIN; DECLARE c CURSOR FOR SELECT g, md5(g::text) FROM generate_series(1, 20000) g ORDER BY 2; FETCH 1 FROM c;" >&9
until sql "SELECT name FROM pg_ls_tmpdir() WHERE name !~ '4190001|${pid}[.]'" | grep -q pgsql_tmp; do sleep 0.1; done

config() { # config USER
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=$1"}
policy: {DSK-8: {temp_rate: 1MB}}
jobs:
  nightly: {audits: [temp_files], report: {formats: [json], to: $WORK/reports-$1, latest: true}}
Y
}

config rounds
run rounds
check "files of the gone are found, with their names, and not the living one's" \
        has '.control=="DSK-8" and .status=="fail" and .resource.name=="pg_default" and (.observed|test("^400 kB in 2 files .* 3 d old")) and (.remedy|test("base/pgsql_tmp/pgsql_tmp4190001.0, base/pgsql_tmp/pgsql_tmp'"$pid"'.3"))'
check "that nothing logs or bounds them is said" has '(.message|test("log_temp_files is off")) and (.message|test("temp_file_limit is -1"))'
# What was written before anybody looked has no rate, unless the counters say when they began.
echo "COMMIT; SELECT count(*) FROM (SELECT md5(g::text) FROM generate_series(1, 100000) g ORDER BY 1) s;" >&9
until [ "$(sql "SELECT temp_bytes > 3000000 FROM pg_stat_database WHERE datname = 'spill'")" = t ]; do sleep 0.2; done
run rounds
check "much written since nobody knows when is not judged" has '.status=="error" and .reason=="too-little-data" and .resource.name=="spill"'
# An hour ago there was nothing.
at=$(date -u -d '1 hour ago' +%Y-%m-%dT%H:%M:%SZ)
rm "$WORK"/rounds.db*
printf 'target,series,resource,time,value\ndb,temp_files.written_bytes,spill,%s,0\n' "$at" >"$WORK/samples.csv"
"$ROUNDS" import -c "$WORK/rounds.yaml" "$WORK/samples.csv" >/dev/null
run rounds
check "a database that spills is found by its rate" has '.status=="fail" and .resource.kind=="database" and .resource.name=="spill" and (.observed|test("a day since the last run"))'
rm "$PG_DATA"/base/pgsql_tmp/pgsql_tmp4190001.0 "$PG_DATA/base/pgsql_tmp/pgsql_tmp$pid.3"
run rounds
check "what was deleted is found no more" has '.status=="pass" and .resource.name=="pgsql_tmp"'

config blind
run blind
check "without pg_monitor the folders are an error with the grant" has '.status=="error" and .reason=="denied" and (.remedy|test("GRANT pg_monitor TO"))'
check "and no pass" none '.status=="pass" and .resource.name=="pgsql_tmp"'
check "exit status 2" [ "$status" -eq 2 ]
# A service that took the function away from pg_monitor.
sql "REVOKE EXECUTE ON FUNCTION pg_ls_tmpdir(), pg_ls_tmpdir(oid) FROM pg_monitor"
run rounds
check "a function that was revoked is an error with its own grant" has '.status=="error" and .reason=="denied" and (.remedy|test("EXECUTE ON FUNCTION pg_catalog.pg_ls_tmpdir TO the role"))'
check "what needs no such right is judged all the same" has '.resource.kind=="databases" or .resource.kind=="database"'
finish
