#!/bin/bash
# Ten thousand tables in one database and a hundred databases on one server: the rounds of PostgreSQL beside Debian's check_postgres on
# the same server, once as a monitoring system calls it (one check, one process), and once with all databases in one call.
# TABLES and DATABASES make it smaller.
. "$(dirname "$0")/../integration/lib.sh"
. "$(dirname "$0")/../integration/lib_postgres.sh"
need postgres initdb psql check_postgres
MEASURE=$TOP/$BUILD/tests/bench/measure
[ -x "$MEASURE" ] || make -s -C "$TOP" BUILD="$BUILD" "$BUILD/tests/bench/measure" >/dev/null || exit 1
TABLES=${TABLES:-10000} DATABASES=${DATABASES:-100}

postgres_start main autovacuum=off max_locks_per_transaction=1000 log_statement=none max_connections=100 || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor, pg_read_all_data TO rounds"
sql "CREATE DATABASE many"
for ((i = 0; i < TABLES; i += 1000)); do
        sql "DO \$\$ BEGIN FOR i IN $i..$((i + 999)) LOOP EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY, a text, b int)', i);
             EXECUTE format('INSERT INTO t%s SELECT g, md5(g::text), g FROM generate_series(1, 50) g', i); END LOOP; END \$\$" many
done
sql "VACUUM ANALYZE" many
names=many
for ((i = 1; i < DATABASES; i++)); do
        sql "CREATE DATABASE d$i"
        names=$names,d$i
done

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds"}
jobs:
  same: {audits: [bloat, connections, disk_growth, pg_settings, temp_files, vacuum, wal]}
Y
milliseconds() { date +%s%3N; }
ours=0 memory=0
# The second run is the one that counts: caches are as warm as they will be for the peer.
for _ in 1 2; do
        read -r ours memory < <("$MEASURE" "$WORK/rounds.txt" "$ROUNDS" run same -c "$WORK/rounds.yaml" --no-report)
done
errors=$(sqlite3 "$WORK/rounds.db" "SELECT count(*) FROM findings WHERE reason IN ('timeout', 'denied', 'unreachable', 'protocol', 'internal')")
[ "$errors" -eq 0 ] || { echo "rounds could not read $errors parts: it would look fast"; exit 1; }

peer=$(program check_postgres)
PATH=$(dirname "$(program psql)"):$PATH
ask() { # ask ACTION DATABASES [OPTION...]
        local action=$1 database=$2
        shift 2
        "$peer" --host=127.0.0.1 --port="$PG_PORT" --dbuser=rounds --dbname="$database" --action="$action" "$@"
}
# A peer that fails at once would look fast.
ask bloat many 2>&1 | grep -qE "BLOAT (OK|WARNING|CRITICAL)" || { echo "check_postgres gives no answer"; exit 1; }
# What it answers of the server as a whole; the same findings are in our run.
server_wide() {
        ask txn_wraparound postgres
        ask autovac_freeze postgres
        ask dbstats postgres
        ask backends postgres
        ask locks postgres --warning=100000 --critical=100000
        ask txn_idle postgres --warning=5min
        ask txn_time postgres --warning=1h
        ask query_time postgres --warning=30min
        ask prepared_txns postgres --warning=1
        ask replication_slots postgres --warning=1GB --critical=10GB
        ask wal_files postgres --warning=1000
        ask archive_ready postgres --warning=10
        ask database_size postgres --warning=1TB --critical=1TB
}
# And of each database: bloat, vacuum, analyze, sequences, sizes.
of_databases() { # of_databases DATABASES
        ask bloat "$1"
        ask last_vacuum "$1"
        ask last_analyze "$1"
        ask sequence "$1"
        ask table_size "$1" --warning=1TB --critical=1TB
}
from=$(milliseconds)
server_wide >/dev/null 2>&1
of_databases "$names" >/dev/null 2>&1
together=$(($(milliseconds) - from))
from=$(milliseconds)
server_wide >/dev/null 2>&1
for database in ${names//,/ }; do of_databases "$database" >/dev/null 2>&1; done
theirs=$(($(milliseconds) - from))
factor() { awk -v a="$1" -v b="$ours" 'BEGIN { printf "%.1f", a / b }'; }
printf '%d tables, %d databases: rounds %d ms, %d KiB resident\n' "$TABLES" "$DATABASES" "$ours" "$memory"
printf 'check_postgres, one process per check: %d ms, %s times; all databases in one call of each: %d ms, %s times\n' \
        "$theirs" "$(factor "$theirs")" "$together" "$(factor "$together")"
[ "$memory" -lt 65536 ] && [ "$theirs" -ge $((10 * ours)) ]
