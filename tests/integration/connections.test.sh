#!/bin/bash
# connections on a real PostgreSQL: a chain of locks, a prepared transaction that blocks, idle and long transactions, a role's own limit,
# leaks, a server nearly full; by a role that has pg_monitor and nothing else.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql jq sqlite3 zstd

postgres_start main max_connections=30 superuser_reserved_connections=3 max_prepared_transactions=5 || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE blind LOGIN; CREATE ROLE app LOGIN;
     CREATE ROLE batch LOGIN CONNECTION LIMIT 2"
sql "CREATE DATABASE shop"
sql "CREATE TABLE stock (id int PRIMARY KEY, n int); INSERT INTO stock SELECT g, 0 FROM generate_series(1, 9) g; GRANT ALL ON stock TO app, batch;
     CREATE TABLE \"odd | name\" (id int); GRANT ALL ON \"odd | name\" TO app" shop

# session USER APPLICATION [DATABASE]: a psql that does what is written to the descriptor in $SESSION.
COUNT=0
session() {
        COUNT=$((COUNT + 1))
        mkfifo "$WORK/session$COUNT"
        start env PGAPPNAME="$2" "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U "$1" -d "${3:-shop}" -f "$WORK/session$COUNT"
        exec {SESSION}>"$WORK/session$COUNT"
}
# The root holds a row and waits for its client; two queue for the row, one for the whole table behind them.
session app web
echo "BEGIN; UPDATE stock SET n = 1 WHERE id = 1;" >&"$SESSION"
waiting() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE NOT granted")" -ge "$1" ]; }
until sql "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND usename = 'app'" | grep -q 1; do sleep 0.1; done
for n in 1 2; do
        session app "worker $n"
        echo "UPDATE stock SET n = length('SECRET-LITERAL') WHERE id = 1;" >&"$SESSION"
        until waiting "$n"; do sleep 0.1; done
done
session batch "nightly <b>"
echo "LOCK TABLE stock IN ACCESS EXCLUSIVE MODE;" >&"$SESSION" # outside of a transaction: refused, and the session stays
echo "BEGIN; LOCK TABLE stock IN ACCESS EXCLUSIVE MODE;" >&"$SESSION"
until waiting 3; do sleep 0.1; done
# A prepared transaction that somebody forgot, and who waits for it.
sql "BEGIN; LOCK TABLE \"odd | name\"; PREPARE TRANSACTION 'it''s forgotten'" shop
session app reader
echo "SELECT * FROM \"odd | name\";" >&"$SESSION"
until waiting 4; do sleep 0.1; done
# A long statement, and sessions that do nothing.
session batch report
echo "SELECT pg_sleep(80);" >&"$SESSION"
for _ in 1 2 3; do session app "leaky pool" postgres; echo "SELECT 1;" >&"$SESSION"; done
until [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leaky pool' AND state = 'idle'")" = 3 ]; do sleep 0.1; done
sleep 1.3

config() { # config USER POLICY
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=$1"}
policy: $2
jobs:
  nightly: {audits: [connections], report: {formats: [json, md, html], to: $WORK/reports-$1, latest: true}}
Y
}
row() { jq -e "[.inventory.$1[]? | select($2)] | length == 1" "$json" >/dev/null || { jq -c ".inventory.$1[]?" "$json"; return 1; }; }

config rounds "{DBC-1: {idle: 1s, query: 1s, blocked: 1s}, DBC-4: {leaked: 1s, leaks: 3}}"
: >"$PG_LOG"
run rounds
cp "$json" "$WORK/first.json"
root=$(sql "SELECT pid FROM pg_stat_activity WHERE application_name = 'web'")
first=$(sql "SELECT pid FROM pg_stat_activity WHERE application_name = 'worker 1'")
second=$(sql "SELECT pid FROM pg_stat_activity WHERE application_name = 'worker 2'")
check "findings are exit status 1" [ "$status" -eq 1 ]
check "nothing was left unassessed" none '.status=="error"'
check "the root of the chain is named with its process and its three" \
        has '.control=="DBC-1" and .status=="fail" and .resource.kind=="blocker" and .resource.namespace=="shop" and .resource.name=="app/web" and (.observed|test("^pid '"$root"' \\(idle in transaction for .* blocks 3: ")) and (.observed|test("a row of public.stock")) and (.remedy|test("pg_terminate_backend\\('"$root"'\\)"))'
check "who queues behind whom is told" row lock_waits ".pid==$second and .behind==$first and .root==$root and .depth==2"
check "and what for" row lock_waits '.application=="nightly <b>" and (.waits_for|test("AccessExclusiveLock on public.stock"))'
check "the one in the middle is no root" none '.resource.kind=="blocker" and .resource.name=="app/worker 1"'
check "the prepared transaction is found, with what ends it" \
        has ".resource.kind==\"prepared transaction\" and (.observed|test(\"odd . name\")) and (.remedy|test(\"ROLLBACK PREPARED 'it''s forgotten'\"))"
check "the session idle in its transaction is found" has '.resource.kind=="session" and .resource.name=="app/web" and (.observed|test("idle in transaction for"))'
check "who waits for a lock is not at fault for it" none '.resource.kind=="statement" and .resource.name!="batch/report"'
check "the long statement is found, with its kind alone" \
        has '.resource.kind=="statement" and .resource.name=="batch/report" and (.observed|test("SELECT, waits for Timeout: PgSleep")) and (.remedy|test("pg_cancel_backend"))'
check "the role at its own limit is found" has '.control=="DBC-4" and .status=="fail" and .resource.kind=="role" and .resource.name=="batch" and .observed=="2 of 2 in use"'
check "leaks are told per application" has '.control=="DBC-4" and .status=="fail" and .resource.name=="app/leaky pool" and (.observed|test("^3 sessions idle"))'
check "the server has room" has '.control=="DBC-4" and .status=="pass" and .resource.name=="max_connections" and (.observed|test("^1[0-9] of 27 in use now"))'
check "sessions are listed by application, role, database and state" row connections '.application=="leaky pool" and .sessions==3 and .state=="idle" and .database=="postgres" and .role=="app"'
facts_of "$WORK/rounds.db" >"$WORK/facts.json"
check "facts were kept" jq -e '.open | length > 0' "$WORK/facts.json"
check "no text of a statement is kept anywhere" sh -c "! grep -rlq 'SECRET-LITERAL' '$WORK/facts.json' '$WORK'/reports-rounds '$WORK'/rounds.db*"
check "nothing but reading was asked of the server" \
        sh -c "! grep '^rounds|LOG' '$PG_LOG' | sed -nE 's/.*(statement|execute [^:]*): //p' | grep -qvE '^(SELECT|WITH|SHOW|SET|BEGIN|COMMIT|ROLLBACK) ?'"

# Nearly full: SEV1.  And afterwards the peak stays told.
for _ in $(seq 15); do session app crowd; done
until [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'crowd'")" = 15 ]; do sleep 0.1; done
run rounds
check "a server nearly full is SEV1" has '.control=="DBC-4" and .status=="fail" and .severity=="SEV1" and .resource.name=="max_connections"'
stop_crowd() { sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE '$1'" >/dev/null; sleep 0.3; }
stop_crowd crowd
run rounds
check "its peak is told when it has passed" has '.status=="fail" and .severity=="SEV2" and .resource.name=="max_connections" and (.observed|test("peak 2[0-9] in 3 looks"))'

# Without pg_monitor.
config blind "{DBC-1: {idle: 1s}}"
run blind
check "hidden sessions are errors with the grant" \
        has '.control=="DBC-1" and .status=="error" and .reason=="denied" and (.remedy|test("GRANT pg_monitor TO blind"))'
check "for both controls" has '.control=="DBC-4" and .status=="error" and .reason=="denied"'
check "what can be counted is counted all the same" has '.control=="DBC-4" and .resource.name=="max_connections" and (.observed|test("^1[0-9] of 27 in use"))'
check "and nobody is called at rest" none '.status=="pass" and .resource.kind=="sessions" and .resource.name!="waiting for locks"'

# Healed: everybody gone.
stop_crowd '%'
sql "ROLLBACK PREPARED 'it''s forgotten'" shop
run rounds
check "nothing is found when nothing is wrong" none '.status=="fail" and .resource.name!="max_connections"'
check "and it is said" has '.control=="DBC-1" and .status=="pass" and .resource.name=="in a transaction"'
finish
