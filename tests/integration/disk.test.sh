#!/bin/bash
# disk_growth and bloat on a real PostgreSQL by roles of little privilege, and rounds import, which makes a projection
# possible on the first day.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql jq python3

postgres_start main autovacuum=off || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE reader LOGIN; GRANT pg_monitor, pg_read_all_data TO reader;
     CREATE ROLE blind LOGIN"
sql "CREATE DATABASE app"
sql "CREATE DATABASE \"odd \"\"db\"\"\""
sql "CREATE DATABASE secret"
sql "REVOKE CONNECT ON DATABASE secret FROM public"
sql "CREATE TABLE half (id bigint PRIMARY KEY, t text); INSERT INTO half SELECT i, md5(i::text) FROM generate_series(1, 100000) i;
     DELETE FROM half WHERE id % 2 = 0;
     CREATE TABLE never (id bigint, t text); INSERT INTO never SELECT i, md5(i::text) FROM generate_series(1, 100000) i;
     CREATE TABLE stale (id bigint, t text); INSERT INTO stale SELECT i, md5(i::text) FROM generate_series(1, 100000) i;
     CREATE TABLE tight (id bigint, t text); INSERT INTO tight SELECT i, md5(i::text) FROM generate_series(1, 100000) i;
     CREATE TABLE log (at date, t text) PARTITION BY RANGE (at);
     CREATE TABLE log_10 PARTITION OF log FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
     CREATE TABLE log_11 PARTITION OF log FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
     INSERT INTO log SELECT '2026-10-01'::date + i % 60, md5(i::text) FROM generate_series(1, 50000) i" app
sql "VACUUM ANALYZE half" app
sql "VACUUM ANALYZE tight" app
sql "VACUUM ANALYZE stale" app
sql "UPDATE stale SET t = t || 'x' WHERE id % 4 = 0" app
# The page count of "never" is known to the planner alone once a vacuum wrote it; reltuples stays unknown without one.
sql "UPDATE pg_class SET relpages = 1000, reltuples = -1 WHERE relname = 'never'" app

config() { # config NAME USER BUDGET VOLUME-SIZE
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - name: db
    kind: postgres
    dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=$2"
    bloat_budget: $3
    volumes:
      - {name: data, size: $4}
      - {name: asked, query: "SELECT 40, 100;"}
      - {name: broken, query: "SELECT 40"}
policy:
  DSK-6: {size: 1MB}
  DSK-5: {free: 1MB}
jobs:
  nightly: {audits: [disk_growth, bloat], report: {formats: [json, html], to: $WORK/reports-$1, latest: true}}
Y
}
projection() {
        jq -e "[.projections[] | select($1)] | length == 1" "$json" >/dev/null || { jq -c '.projections[] | del(.points)' "$json"; return 1; }
}
row() { jq -e "[.inventory.$1[]? | select($2)] | length == 1" "$json" >/dev/null || { jq -c ".inventory.$1[]?" "$json"; return 1; }; }

config reader reader 0 100GB
run reader
check "a table with half of its rows gone is found" \
        has '.control=="DSK-6" and .status=="fail" and .resource.kind=="table" and .resource.namespace=="app" and .resource.name=="public.half" and (.observed|test("(4[89]|5[0-3]) % of .*estimated"))'
check "and its index" has '.status=="fail" and .resource.kind=="index" and .resource.name=="public.half_pkey" and (.remedy|test("REINDEX INDEX CONCURRENTLY public.half_pkey"))'
check "a tight table is not" row tables '.name=="tight" and .bloat_percent < 5'
check "stale statistics withhold the estimate" has '.status=="error" and .reason=="stale" and (.message|test("public.stale")) and (.remedy|test("ANALYZE"))'
check "a table never analysed is not guessed at" has '.status=="error" and .resource.name=="never-analyzed" and (.message|test("public.never"))'
check "the volume has room" has '.control=="DSK-5" and .status=="pass" and .resource.kind=="volume" and .resource.name=="data"'
check "a volume's own query is asked" has '.control=="DSK-5" and .resource.name=="asked" and (.observed|test("40.0 %"))'
check "a query that gives one column is an error" has '.control=="DSK-5" and .status=="error" and .resource.name=="broken"'
check "one day is too little data" has '.control=="DSK-5" and .status=="error" and .reason=="too-little-data" and .resource.name=="data"'
check "partitions count for their root" projection '.subject=="table app.public.log"'
check "a database that may not be entered has its size all the same" projection '.subject=="database secret" and .now > 0'

config blind blind 0 100GB
run blind
check "without pg_monitor the volume's use is no pass" has '.control=="DSK-5" and .status=="error" and .reason=="denied" and .resource.name=="data" and (.remedy|test("pg_monitor"))'
check "without rights on the tables the estimate is withheld" has '.control=="DSK-6" and .status=="error" and .reason=="denied" and .resource.name=="invisible"'
check "nothing is called bloated by the blind" none '.control=="DSK-6" and .status=="fail"'

sql "CREATE SCHEMA \"ext ra\"; CREATE EXTENSION pgstattuple SCHEMA \"ext ra\"; GRANT USAGE ON SCHEMA \"ext ra\" TO rounds" app
config exact rounds 20s 100GB
run exact
check "pg_monitor alone measures by pgstattuple" has '.status=="fail" and .resource.name=="public.half" and (.observed|test("measured"))'
check "a measurement stands although statistics are stale" row tables '.name=="stale" and .bloat_source=="measured"'

# Sixty days of growth, imported: a date on the first day.
config history reader 0 1GB
python3 - "$WORK/samples.csv" <<'P'
import datetime, random, sys
random.seed(7)
now = datetime.datetime.now(datetime.timezone.utc)
with open(sys.argv[1], "w", newline="") as out:
    out.write("time,target,series,resource,value\r\n")
    for back in range(60, 0, -1):
        at = (now - datetime.timedelta(days=back)).strftime("%Y-%m-%dT%H:%M:%SZ")
        out.write(f'{at},db,disk_growth.volume_used_bytes,"data",{900e6 - back * 10e6 + random.gauss(0, 3e6):.0f}\r\n')
P
"$ROUNDS" import -c "$WORK/history.yaml" "$WORK/samples.csv" >"$WORK/import.out"
check "samples are imported" grep -q 'imported 60 sample' "$WORK/import.out"
"$ROUNDS" import -c "$WORK/history.yaml" "$WORK/samples.csv" >"$WORK/import.out"
printf 'target,series,resource,time,value\ndb,disk_growth.volume_used_bytes,data,2026-13-01,1\nx,y,z,2026-01-01,1\n' >"$WORK/bad.csv"
"$ROUNDS" import -c "$WORK/history.yaml" "$WORK/bad.csv" >/dev/null 2>"$WORK/bad.out"
check "bad lines are usage errors" [ $? -eq 3 ]
check "each is named with its line" sh -c "grep -q 'bad.csv:2: ' '$WORK/bad.out' && grep -q 'bad.csv:3: ' '$WORK/bad.out'"
# What the run adds must fit the imported figures: a volume that is asked for.
sed -i "s/{name: data, size: 1GB}/{name: data, query: \"SELECT 900000000, 1000000000\"}/" "$WORK/history.yaml"
run history
check "the volume will be full in ten days" has '.control=="DSK-5" and .status=="fail" and .severity=="SEV2" and .resource.kind=="projection" and (.observed|test("grows by 9\\.[0-9] MiB a day"))'
check "with its range and the samples behind it" projection '.subject=="volume data" and .samples==61 and .full_earliest != null and .full_latest != null and .verdict=="rising"'
check "and its plot in HTML" grep -q '<svg class="chart"' "$WORK/reports-history/nightly-latest.html"
check "a server that is gone is one error per control" sh -c "sed 's/port=$PG_PORT/port=1/' '$WORK/history.yaml' >'$WORK/gone.yaml' && '$ROUNDS' run nightly -c '$WORK/gone.yaml' >/dev/null 2>&1; [ \$? -eq 2 ]"
finish
