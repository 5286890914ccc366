#!/bin/bash
# The log of sign-ins in a real PostgreSQL: a quiet one, one with an attack in it, one without an index, a role without rights.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres psql jq
postgres_start main || exit 1
sql "CREATE DATABASE app"
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE poor LOGIN"

sql 'CREATE TABLE quiet (created_at timestamptz, user_name text, ip_address inet, success bool);
  CREATE TABLE "Attack" (at timestamp, who text, "from" text, outcome text);
  CREATE TABLE large (created_at timestamptz, user_name text, ip_address text, success bool, filler text);
  CREATE INDEX ON quiet (created_at); CREATE INDEX ON "Attack" (at);
  INSERT INTO quiet SELECT now() - n * interval '"'1 min'"', '"'user'"' || n % 90, '"'10.0.0.1'"'::inet + n % 90, n % 25 <> 0 FROM generate_series(1, 1000) n;
  INSERT INTO "Attack" SELECT localtimestamp - n * interval '"'2 min'"', '"'user'"' || n, '"'10.0.0.'"' || n, '"'ok'"' FROM generate_series(1, 600) n;
  INSERT INTO "Attack" SELECT localtimestamp - interval '"'3 hours'"' + n * interval '"'1 s'"', '"'victim<b>'"' || n, '"'203.0.113.9'"', '"'bad'"' FROM generate_series(1, 80) n;
  INSERT INTO "Attack" VALUES (localtimestamp - interval '"'2 hours'"', '"'victim<b>7'"', '"'203.0.113.9'"', '"'ok'"');
  INSERT INTO "Attack" SELECT localtimestamp - n * interval '"'10 min'"', '"'admin@kaireon.test'"', '"'198.51.100.'"' || n, '"'bad'"' FROM generate_series(1, 40) n;
  INSERT INTO large SELECT now() - n * interval '"'1 s'"', '"'u'"', '"'a'"', true, repeat('"'x'"', 1000) FROM generate_series(1, 400000) n;
  INSERT INTO "Attack" SELECT localtimestamp - interval '"'5 hours'"' + n * interval '"'1 min'"', '"'locks'"', '"'10.9.9.9'"', CASE WHEN n % 5 = 0 THEN '"'locked'"' ELSE '"'bad'"' END FROM generate_series(1, 24) n;
  GRANT SELECT ON quiet, "Attack", large TO rounds; ANALYZE' app
sleep 1.2 # statistics are told with a delay
SCANS=$(sql "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'large'" app)
dsn() { echo "host=127.0.0.1 port=$PG_PORT user=$1 dbname=app"; }
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: quiet, kind: postgres, dsn: "$(dsn rounds)", auth_events: {table: quiet}}
  - {name: attack, kind: postgres, dsn: "$(dsn rounds)", auth_events: {table: public.Attack, time: at, name: who, address: from, failed: "outcome = 'bad'", locked: "outcome = 'locked'"}}
  - {name: query, kind: postgres, dsn: "$(dsn rounds)", auth_events: {query: "SELECT at, who AS name, \"from\" AS address, outcome = 'bad' AS failed, outcome = 'locked' AS locked FROM public.\"Attack\"", show_names: true}}
  - {name: large, kind: postgres, dsn: "$(dsn rounds)", auth_events: {table: large}}
  - {name: poor, kind: postgres, dsn: "$(dsn poor)", auth_events: {table: quiet}}
  - {name: wrong, kind: postgres, dsn: "$(dsn rounds)", auth_events: {table: quiet, name: no_such_column}}
  - {name: unset, kind: postgres, dsn: "$(dsn rounds)"}
jobs: {nightly: {audits: [stuffing], report: {formats: [json, md], to: $WORK/reports}}}
Y
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
check "a quiet log passes" sh -c "jq -e '[.findings[] | select(.target==\"quiet\")] | length == 4 and all(.status==\"pass\")' '$json' >/dev/null"
check "an address over many names that got in is SEV1" has_one '.target=="attack" and .severity=="SEV1" and .resource.name=="203.0.113.9" and (.observed|test("80 failures on 80 names.*got into 1 accounts"))'
check "a name tried from many addresses" has_one '.target=="attack" and .control=="ATH-4" and .resource.kind=="account" and (.resource.name|test("^ad\\.\\.\\.[0-9a-f]{6}$")) and (.observed|test("40 failures from 40 addresses"))'
check "and never locked" has_one '.target=="attack" and .control=="ATH-2" and .status=="fail" and (.observed|test("^40 failures in a row without a lock"))'
check "an account that is locked after four is in order" sh -c "! jq -e '.findings[] | select(.target==\"query\" and .resource.name==\"locks\")' '$json' >/dev/null"
check "the burst" has_one '.target=="attack" and .status=="fail" and .resource.name=="failures in 5 minutes" and (.observed|test("^[4-8][0-9] failures"))'
check "a query gives the same, with names where they may be shown" has_one '.target=="query" and .control=="ATH-2" and .status=="fail" and .resource.name=="admin@kaireon.test"'
check "names are nowhere else" sh -c "! jq -c '.findings[] | select(.target==\"attack\")' '$json' | grep -qE 'victim|admin@'"
check "a log that could only be read from end to end is not read" jq -e '[.findings[] | select(.target=="large" and .status=="error" and (.remedy|test("CREATE INDEX CONCURRENTLY ON large")))] | length == 2' "$json"
check "and was not" [ "$(sql "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'large'" app)" -eq "$SCANS" ]
check "a role without the right is told so" jq -e '[.findings[] | select(.target=="poor" and .status=="error" and .reason=="denied")] | length == 2' "$json"
check "a column that is not there is told" jq -e '[.findings[] | select(.target=="wrong" and .status=="error" and (.message|test("no_such_column")))] | length == 2' "$json"
check "a target without a log is skipped" jq -e '[.findings[] | select(.target=="unset" and .status=="skip")] | length == 2' "$json"
finish
