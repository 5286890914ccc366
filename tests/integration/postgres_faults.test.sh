#!/bin/bash
# What can go wrong between rounds and PostgreSQL, all of it in one run beside a server that is well: each is an error with reason and
# remedy within its own deadline, and the well one's results are complete.  Then the courtesies: read-only, timeouts, globs.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need postgres initdb psql jq node

postgres_start full max_connections=4 superuser_reserved_connections=2 || exit 1
FULL_PORT=$PG_PORT
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds"
for _ in 1 2; do
        start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U rounds -d postgres -c "SELECT pg_sleep(110)"
done
postgres_start main allow_system_table_mods=on log_line_prefix="'%a|%d|'" || exit 1
sql "CREATE ROLE rounds LOGIN PASSWORD 'right'; GRANT pg_monitor TO rounds; CREATE ROLE blind LOGIN; CREATE ROLE locked_out LOGIN PASSWORD 'right';
     CREATE ROLE limited LOGIN CONNECTION LIMIT 0; CREATE ROLE revoked LOGIN; GRANT pg_monitor TO revoked; GRANT pg_monitor TO limited"
for database in app_one app_two app_three frozen stiff; do sql "CREATE DATABASE $database"; done
sql "CREATE TABLE written (at timestamptz); CREATE FUNCTION writes() RETURNS TABLE (a float8, b float8) LANGUAGE plpgsql AS
     \$\$ BEGIN INSERT INTO public.written VALUES (now()); RETURN QUERY SELECT 1::float8, 2::float8; END \$\$; GRANT INSERT ON written TO rounds"
{ echo "host all locked_out 127.0.0.1/32 scram-sha-256"; cat "$PG_DATA/pg_hba.conf"; } >"$WORK/hba" && cat "$WORK/hba" >"$PG_DATA/pg_hba.conf"
sql "SELECT pg_reload_conf()" >/dev/null
# Catalogues that somebody holds: one that every new connection needs, and one that only some audits do.
hold() { # hold DATABASE CATALOGUE
        mkfifo "$WORK/$1"
        start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U postgres -d "$1" -f "$WORK/$1"
        exec {HOLD}>"$WORK/$1"
        echo "BEGIN; LOCK TABLE $2 IN ACCESS EXCLUSIVE MODE;" >&"$HOLD"
        until sql "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = '$2'::regclass AND granted" | grep -q 1; do
                sleep 0.1
        done
}
hold frozen pg_class
hold stiff pg_statistic

proxy() { # proxy MODE TEXT: its port in $PROXY
        PROXY=$(free_port)
        start node "$(dirname "$0")/faulty_proxy.mjs" "$PROXY" "$PG_PORT" "$1" "$2"
        wait_port "$PROXY"
}
proxy cut block_size
GONE=$PROXY
proxy stall block_size
HUNG=$PROXY
proxy mute ""
MUTE=$PROXY

AUDITS="[wal, pg_settings, connections, temp_files, query_baseline, disk_growth, vacuum, bloat]"
well="{name: well, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds\", exclude: [frozen, stiff]}"
config() { # config NAME TARGETS
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
concurrency: 16
targets:
$2
jobs:
  nightly: {audits: $AUDITS, report: {formats: [json], to: $WORK/reports-$1, latest: true}}
Y
}

config alone "  - $well"
run alone
cp "$json" "$WORK/alone.json"
config all "  - $well
  - {name: gone, kind: postgres, dsn: \"host=127.0.0.1 port=$GONE dbname=postgres user=rounds\", timeout: 30s, exclude: [frozen, stiff]}
  - {name: hung, kind: postgres, dsn: \"host=127.0.0.1 port=$HUNG dbname=postgres user=rounds\", statement_timeout: 1s, timeout: 8s, exclude: [frozen, stiff]}
  - {name: mute, kind: postgres, dsn: \"host=127.0.0.1 port=$MUTE dbname=postgres user=rounds\", timeout: 4s}
  - {name: stranger, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=postgres user=locked_out\", password_env: WRONG}
  - {name: plain, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds sslmode=require\"}
  - {name: full, kind: postgres, dsn: \"host=127.0.0.1 port=$FULL_PORT dbname=postgres user=rounds\"}
  - {name: limited, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=postgres user=limited\"}
  - {name: frozen, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=frozen user=rounds\"}
  - {name: beside, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds\", lock_timeout: 200ms}
  - {name: nowhere, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=nowhere user=rounds\"}"
export WRONG=wrong-SECRET
run all
check "not fully assessed is exit status 2" [ "$status" -eq 2 ]
check "nobody waited for others, nor twice for one database ($took s)" [ "$took" -le 28 ]
# answers TARGET REASON WORDS REMEDY: one error for every audit and control, nothing passed, nothing without a remedy.
expected=$(jq -r '[.findings[] | select(.target == "well") | .audit + " " + .control] | unique | join("\n")' "$WORK/alone.json")
answers() {
        local got
        got=$(jq -r --arg t "$1" '[.findings[] | select(.target == $t) | .audit + " " + .control] | join("\n")' "$json" | sort)
        [ "$got" = "$(echo "$expected" | sort)" ] || { echo "$1 answers for:"; diff <(echo "$got") <(echo "$expected" | sort); jq -c --arg t "$1" '.findings[] | select(.target == $t) | [.audit,.control,.status,.reason,.resource,.message,.remedy]' "$json"; return 1; }
        none ".target == \"$1\" and (.status != \"error\" or .reason != \"$2\" or ((.message | test(\"$3\")) | not) or (((.remedy // \"\") | test(\"$4\")) | not))" ||
                { jq -c --arg t "$1" '.findings[] | select(.target == $t) | [.audit,.control,.status,.reason,.resource,.message,.remedy]' "$json"; return 1; }
}
check "an unreachable port is one error per control" answers mute timeout "" "firewall|raise the target"
check "a wrong password" answers stranger denied "password authentication failed" "check the role, its password"
check "TLS refused" answers plain tls "SSL" "sslmode"
check "too many connections of the server" answers full unreachable "too many clients|remaining connection slots" "no connection left"
check "too many connections of the role" answers limited unreachable "too many connections for role" "no connection left"
check "a database that does not exist" answers nowhere configuration "does not exist" "existing database"
check "a server that goes in the middle of a query" answers gone unreachable "" "."
check "a network that hangs in the middle of a query" answers hung timeout "" "."
check "a database whose catalogue is held, as the DSN's own" answers frozen timeout "database frozen|no connection|time for this target" "."
check "beside others, it is one error in each audit that reads it" \
        has '.target=="beside" and .audit=="bloat" and .status=="error" and .reason=="timeout" and .resource.name=="frozen" and (.remedy|test("AccessExclusiveLock"))'
check "and one in each" jq -e '[.findings[] | select(.target=="beside" and .resource.name=="frozen" and .status=="error") | .audit] | length >= 3 and length == (unique | length)' "$json"
check "and the other databases are judged" has '.target=="beside" and .audit=="vacuum" and .status!="error"'
check "a catalogue that one statement needs is a lock timeout" \
        has '.target=="beside" and .audit=="bloat" and .status=="error" and .reason=="timeout" and .resource.name=="stiff" and (.remedy|test("pg_locks"))'
check "the password is nowhere" sh -c "! grep -rq 'SECRET' '$WORK/reports-all' '$WORK'/all.db* '$WORK/all.out'"
same() { jq -S '[.findings[] | select(.target == "well") | [.audit, .control, .status, .resource]]' "$1"; }
check "the well one's results are complete" diff <(same "$WORK/alone.json") <(same "$json")

# A service that hides functions, and a role without pg_monitor: errors with the reason, and the rest is there.
sql "REVOKE EXECUTE ON FUNCTION pg_ls_waldir(), pg_ls_tmpdir(), pg_ls_tmpdir(oid) FROM pg_monitor"
config little "  - {name: revoked, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=postgres user=revoked\", exclude: [frozen, stiff]}
  - {name: blind, kind: postgres, dsn: \"host=127.0.0.1 port=$PG_PORT dbname=postgres user=blind\", exclude: [frozen, stiff]}"
run little
for role in revoked blind; do
        check "$role: pg_wal is an error with its right" \
                has ".target==\"$role\" and .control==\"DSK-7\" and .status==\"error\" and .reason==\"denied\" and (.remedy|test(\"pg_ls_waldir\"))"
        check "$role: temporary files are" \
                has ".target==\"$role\" and .control==\"DSK-8\" and .status==\"error\" and .reason==\"denied\" and (.remedy|test(\"pg_ls_tmpdir\"))"
        check "$role: slots are judged all the same" has ".target==\"$role\" and .control==\"DSK-7\" and .status!=\"error\""
done
check "no crash and nothing internal" none '.reason=="internal" or .reason=="protocol"'

# Courtesy: what each connection of ours is told, and that it holds.
config polite "  - name: polite
    kind: postgres
    dsn: \"host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds\"
    include: [postgres, \"app_*\"]
    exclude: [app_two]
    statement_timeout: 700ms
    volumes:
      - {name: writes, query: \"SELECT a, b FROM public.writes()\"}
      - {name: slow, query: \"SELECT 1, 2 FROM pg_sleep(20)\"}
      - {name: seen, query: \"SELECT count(*), 9 FROM pg_stat_activity WHERE application_name = 'rounds' AND pid = pg_backend_pid()\"}
      - {name: patience, query: \"SELECT count(*) FILTER (WHERE setting = '1000'), 9 FROM pg_settings WHERE name = 'lock_timeout'\"}"
: >"$PG_LOG"
run polite
check "it cannot write, whatever it is asked to run" has '.resource.name=="writes" and .status=="error" and (.message|test("read-only transaction"))'
check "and did not" [ "$(sql 'SELECT count(*) FROM written')" = 0 ]
check "a slow statement is ended by the server" has '.resource.name=="slow" and .status=="error" and .reason=="timeout" and (.message|test("statement timeout"))'
check "it calls itself rounds" has '.resource.name=="seen" and (.observed|test("11.1 % used"))'
check "it waits for locks no longer than it may" has '.resource.name=="patience" and (.observed|test("11.1 % used"))'
check "databases are chosen by globs" \
        [ "$(sed -nE 's/^rounds\|([a-z_]+)\|.*/\1/p' "$PG_LOG" | sort -u | tr '\n' ' ')" = "app_one app_three postgres " ]
check "every connection was told" \
        sh -c "[ \$(grep -c 'SET default_transaction_read_only = on; SET statement_timeout = 700; SET lock_timeout = 1000; SET idle_in_transaction' '$PG_LOG') -eq 3 ]"
finish
