#!/bin/bash
# query_baseline on a real PostgreSQL: an index that is dropped between two runs, counters that are reset, values that must not be
# kept, and every way in which the extension can be missing.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql jq sqlite3 zstd

postgres_start main shared_preload_libraries=pg_stat_statements pg_stat_statements.track=all max_connections=20 || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE blind LOGIN; CREATE ROLE app LOGIN PASSWORD 'hunter2'"
sql "CREATE DATABASE shop"
sql "CREATE DATABASE \"odd stats\""
sql "CREATE TABLE orders (id int, note text); INSERT INTO orders SELECT g, md5(g::text) FROM generate_series(1, 100000) g;
     CREATE INDEX orders_id ON orders (id); GRANT SELECT ON orders TO app" shop
sql "VACUUM ANALYZE orders" shop

config() { # config USER
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=$1"}
policy: {LAT-4: {calls: 10, mean: 1ms, runs: 2}}
jobs:
  nightly: {audits: [query_baseline], report: {formats: [json, md], to: $WORK/reports-$1, latest: true}}
Y
}
look() { sleep 0.02; run "$1"; } # samples are known by their millisecond
# work [SHAPE]: the application's day, twenty times; every call with values and a comment of its own.
work() {
        local i
        for i in $(seq 20); do
                echo "/* trace=SECRET-$i */ SELECT note FROM orders WHERE id = $((i * 37)) AND note <> 'SECRET-VALUE' ${1:-};"
        done | "$(program psql)" -X -q -o /dev/null -h 127.0.0.1 -p "$PG_PORT" -U app -d shop
}

config rounds
look rounds
check "no view anywhere is an error with the statement that makes one" \
        has '.control=="LAT-4" and .status=="error" and .reason=="unsupported" and (.remedy|test("^in database postgres: CREATE EXTENSION pg_stat_statements;"))'
"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "rounds check names it too" grep -q 'CREATE EXTENSION pg_stat_statements' "$WORK/check.txt"
sql "CREATE SCHEMA \"Stats\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Stats\"; GRANT USAGE ON SCHEMA \"Stats\" TO blind" "odd stats"
look rounds
check "a schema that is closed is an error with its own grant" has '.status=="error" and .reason=="denied" and (.remedy|test("^GRANT USAGE ON SCHEMA Stats TO"))'
sql "GRANT USAGE ON SCHEMA \"Stats\" TO rounds" "odd stats"
work
sql "ALTER ROLE app PASSWORD 'SECRET-PASSWORD'" shop
sql "DO \$\$ BEGIN PERFORM set_config('x.y', 'SECRET-SETTING', false); END \$\$" shop
look rounds
check "the first run says how many are missing" \
        has '.control=="LAT-4" and .status=="error" and .reason=="too-little-data" and (.message|test("0 earlier runs .* a baseline needs 3: 3 more"))'
for _ in 1 2 3; do work; look rounds; done
check "statements as fast as ever pass" has '.status=="pass" and .resource.kind=="statements" and (.observed|test("0 slower"))'
check "one view tells of the other database" \
        jq -e '[.inventory.statements[] | select(.database=="shop" and .statement=="select note from orders where id = ? and note <> ?" and .calls==20)] | length == 1' "$json"
sql "DROP INDEX orders_id" shop
work
look rounds
check "the statement that lost its index is found" \
        has '.control=="LAT-4" and .status=="fail" and .severity=="SEV3" and .resource.kind=="statement" and .resource.namespace=="shop" and (.observed|test("ms mean of 20 calls, .* times the .* ms of 3 earlier runs")) and (.message|test("select note from orders where id = \\?"))'
sql "SELECT \"Stats\".pg_stat_statements_reset()" "odd stats" >/dev/null
work
look rounds
check "and after the counters were reset" has '.status=="fail" and .resource.kind=="statement" and (.observed|test("of 20 calls"))'
facts_of "$WORK/rounds.db" >"$WORK/facts.json"
check "facts hold statements" sh -c "jq -e -s '[.[].statements[]?] | length > 0' '$WORK/facts.json' >/dev/null"
check "no value and no comment is kept anywhere" sh -c "! grep -rliq -e SECRET- -e hunter2 '$WORK/facts.json' '$WORK'/reports-rounds '$WORK'/rounds.db*"
sql "CREATE INDEX orders_id ON orders (id)" shop
work
look rounds
check "with its index again it passes" has '.status=="pass" and .resource.kind=="statements" and (.observed|test("0 slower"))'
look rounds
check "a quiet night is no pass" has '.control=="LAT-4" and .status=="skip"'
check "nothing but reading was asked of the server" \
        sh -c "! grep '^rounds|LOG' '$PG_LOG' | sed -nE 's/.*(statement|execute [^:]*): //p' | grep -qvE '^(SELECT|SHOW|SET) ?'"

config blind
look blind
check "without pg_monitor hidden statements are an error with the grant" has '.status=="error" and .reason=="denied" and (.remedy|test("GRANT pg_monitor"))'

# An old version of the extension, and none loaded.
sql "DROP EXTENSION pg_stat_statements; CREATE EXTENSION pg_stat_statements VERSION '1.7'" "odd stats"
look rounds
check "an old version is an error with its update" has '.status=="error" and (.remedy|test("in database odd stats: ALTER EXTENSION pg_stat_statements UPDATE"))'
kill "$PG_PID" && wait "$PG_PID" 2>/dev/null
sed -i '/shared_preload_libraries\|pg_stat_statements.track/d' "$PG_DATA/postgresql.conf"
start as_nobody "$(dirname "$(program initdb)")/postgres" -D "$PG_DATA"
until sql "SELECT 1" >/dev/null 2>&1; do sleep 0.1; done
look rounds
check "not loaded is an error with what loads it" has '.status=="error" and .reason=="unsupported" and (.remedy|test("shared_preload_libraries.*restart.*CREATE EXTENSION"))'
finish
