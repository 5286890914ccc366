#!/bin/bash
# retention on a real PostgreSQL with pg_cron: overdue rows and partitions, purges that fail, what the role may not see.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql jq

preload=()
[ -e "$SERVERS/usr/lib/postgresql/15/lib/pg_cron.so" ] && preload=(shared_preload_libraries=pg_cron "cron.database_name='postgres'")
postgres_start main autovacuum=off "${preload[@]}" "cron.host='$WORK/sockets'" || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE reader LOGIN; GRANT pg_monitor, pg_read_all_data TO reader"
sql "CREATE DATABASE app"
month() { date -u -d "$(date -u +%Y-%m-15) $1 month" +%Y-%m-01; }
sql "CREATE TABLE interactions (id bigint PRIMARY KEY, created_at timestamptz NOT NULL); CREATE INDEX ON interactions (created_at, id);
     INSERT INTO interactions SELECT i, now() - i * interval '1 day' FROM generate_series(1, 400) i;
     CREATE TABLE fresh (id bigint, at date); CREATE INDEX ON fresh (at); INSERT INTO fresh SELECT i, current_date - i FROM generate_series(1, 20) i;
     CREATE TABLE small_table (at timestamp); INSERT INTO small_table VALUES (now() - interval '100 days');
     CREATE TABLE \"Large|\" (at timestamptz, filler text); INSERT INTO \"Large|\" SELECT now() - i * interval '10 min', repeat('x', 400) FROM generate_series(1, 30000) i;
     CREATE TABLE partial (at timestamptz, filler text, done bool); CREATE INDEX ON partial (at) WHERE NOT done;
     INSERT INTO partial SELECT now() - i * interval '10 min', repeat('x', 400), true FROM generate_series(1, 30000) i;
     CREATE TABLE epochs (ms bigint); CREATE INDEX ON epochs (ms); INSERT INTO epochs SELECT 1000 * floor(extract(epoch FROM now() - i * interval '1 day'))::bigint FROM generate_series(1, 200) i;
     CREATE TABLE audit (at timestamptz); CREATE INDEX ON audit (at); INSERT INTO audit VALUES (now() - interval '9 years');
     CREATE TABLE bare (at timestamptz);
     CREATE TABLE decision_logs (at timestamptz NOT NULL) PARTITION BY RANGE (at);
     CREATE TABLE dl_old PARTITION OF decision_logs FOR VALUES FROM ('$(month -8)') TO ('$(month -7)');
     CREATE TABLE dl_purged PARTITION OF decision_logs FOR VALUES FROM ('$(month -7)') TO ('$(month -6)');
     CREATE TABLE dl_due PARTITION OF decision_logs FOR VALUES FROM ('$(month -6)') TO ('$(month -5)');
     CREATE TABLE dl_now PARTITION OF decision_logs FOR VALUES FROM ('$(month 0)') TO ('$(month 1)');
     INSERT INTO decision_logs VALUES ('$(month -8)'), ('$(month -6)'), ('$(month 0)')" app
sql 'ANALYZE' app

config() { # config USER
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - name: db
    kind: postgres
    dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=$1"
    retention:
${RULES:-      - {table: interactions, column: created_at, keep: 365d\}
      - {table: fresh, keep: 30d\}
      - {table: public.small_table, keep: 90d\}
      - {table: "Large|", keep: 90d\}
      - {table: partial, column: at, keep: 90d\}
      - {table: epochs, column: ms, keep: 90d\}
      - {table: audit, keep: 2555d, hold: true\}
      - {table: bare, keep: 1d\}
      - {table: decision_logs, database: "a*", keep: 90d\}
      - {table: not_here, keep: 90d\}}
policy:
  DSK-2: {jobs: ["nightly-*"]}
jobs:
  nightly: {audits: [retention], report: {formats: [json, md], to: $WORK/reports-$1, latest: true}}
Y
        run "$1"
}
row() { jq -e "[.inventory.$1[]? | select($2)] | length == 1" "$json" >/dev/null || { jq -c ".inventory.$1[]?" "$json"; return 1; }; }

scans() { sql "SELECT sum(seq_scan) || '/' || sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname NOT IN ('small_table', 'bare')" app; }
before=$(scans)
config reader
check "rows past their time are found, with a purge in pieces" has '.status=="fail" and .resource.name=="public.interactions" and (.observed|test("oldest created_at of .*: 400 d old")) and (.remedy|test("DELETE FROM \"public\".\"interactions\" WHERE ctid .*\"created_at\" < now\\(\\) - interval .365 days. LIMIT 10000"))'
check "by the index" row retention '.table=="public.interactions" and .known_by=="index"'
check "the column is found where no rule names it" has '.status=="pass" and .resource.name=="public.fresh" and (.observed|test("oldest at of"))'
check "a small table is read" has '.status=="fail" and .resource.name=="public.small_table" and (.observed|test("100 d old"))'
check "a large one without an index is judged by statistics, which say so" has '.status=="fail" and .resource.name=="public.Large|" and (.observed|test("rows as old as at of .*from statistics"))'
check "a partial index does not do" row retention '.table=="public.partial" and .known_by=="statistics"'
check "numbers are epochs" has '.status=="fail" and .resource.name=="public.epochs" and (.observed|test("200 d old"))'
check "a hold allows older rows" has '.status=="pass" and .resource.name=="public.audit" and (.message|test("hold allows"))'
check "an empty table is fine" has '.status=="pass" and .resource.name=="public.bare" and .observed=="empty"'
check "partitions past their time are found; one that was emptied is not" has '.status=="fail" and .resource.name=="public.decision_logs" and (.observed|test("oldest partition public.dl_old ends on .*; 2 partitions are")) and (.remedy|test("DROP TABLE \"public\".\"dl_old\"; DROP TABLE \"public\".\"dl_due\";$"))'
check "a rule that fits nothing is an error" has '.status=="error" and .reason=="configuration" and .resource.name=="not_here"'
check "no table but the small one was scanned" [ "$(scans)" = "$before" ]

config rounds
check "a column that may not be read is an error with its grant" has '.status=="error" and .reason=="denied" and .resource.name=="public.interactions" and (.remedy|test("GRANT SELECT \\(created_at\\) ON public.interactions TO rounds;"))'
check "partitions are judged all the same" has '.status=="fail" and .resource.name=="public.decision_logs"'

if [ ${#preload[@]} -gt 0 ]; then
        sql "CREATE EXTENSION pg_cron"
        config reader
        check "jobs that the role may not see are an error with policies that show them" has '.status=="error" and .reason=="denied" and .resource.kind=="jobs" and (.remedy|test("GRANT USAGE ON SCHEMA cron TO reader;.*CREATE POLICY rounds_sees ON cron.job FOR SELECT TO reader"))'
        config rounds
        check "as does the schema that it may not enter" has '.status=="error" and .reason=="denied" and .resource.kind=="jobs" and (.remedy|test("In postgres: GRANT USAGE ON SCHEMA cron TO rounds;"))'
        config reader
        remedy() { jq -r '.findings[] | select(.resource.kind=="jobs") | .remedy' "$json" | sed 's/^In postgres: //'; }
        check "the remedy works" sql "$(remedy)"
        config reader
        check "then it is known that there are none" has '.status=="skip" and .resource.kind=="jobs" and (.message|test("no job that purges"))'
        sql "SELECT cron.schedule('nightly-good', '* * * * *', 'SELECT 1'), cron.schedule('sweeper', '30 4 * * *', 'DELETE FROM interactions'),
             cron.schedule('nightly-off', '30 4 * * *', 'SELECT 1'), cron.schedule('other', '30 4 * * *', 'SELECT 2'),
             cron.schedule('nightly-new', '30 4 * * *', 'SELECT 3')" >/dev/null
        sql "UPDATE cron.job SET active = false WHERE jobname <> 'nightly-new';
             INSERT INTO cron.job_run_details (jobid, runid, status, return_message, start_time, end_time)
             SELECT jobid, 900 + jobid, 'succeeded', '1 row', now() - interval '3 hours', now() - interval '3 hours' FROM cron.job WHERE jobname = 'nightly-good';
             INSERT INTO cron.job_run_details (jobid, runid, status, return_message, start_time, end_time)
             SELECT jobid, 1000 + i, CASE WHEN i = 1 THEN 'succeeded' ELSE 'failed' END, CASE WHEN i = 1 THEN 'DELETE 5' ELSE E'ERROR:  permission denied\\nsecret' END,
             now() - (5 - i) * interval '1 day', now() - (5 - i) * interval '1 day' FROM cron.job, generate_series(1, 4) i WHERE jobname = 'sweeper';
             UPDATE cron.job SET active = true WHERE jobname IN ('sweeper', 'nightly-good')"
        config reader
        check "a purge that ran passes" has '.status=="pass" and .resource.kind=="job" and .resource.name=="nightly-good" and (.observed|test("last success .* ago"))'
        check "one that fails is found by what it does, with its message" has '.status=="fail" and .resource.name=="sweeper" and (.observed|test("last success 4 d ago .*; 3 of the recorded runs failed, the newest with: ERROR:  permission denied$"))'
        check "one that is inactive is found" has '.status=="fail" and .resource.name=="nightly-off" and (.remedy|test("cron.alter_job\\([0-9]+, active := true\\)"))'
        check "one that never ran is no pass" has '.status=="error" and .resource.name=="nightly-new"'
        check "what is no purge is left alone" sh -c "jq -e '[.findings[] | select(.resource.name==\"other\")] | length == 0' '$json' >/dev/null"
else
        echo "pg_cron is not here (make deps unpacks it): its part was not tried"
fi
RULES="      []" config reader
check "without rules it is told which tables want one" has '.status=="skip" and .resource.kind=="retention rules" and (.observed|test("app.public.Large\\| \\(.*, by at\\)"))'
finish
