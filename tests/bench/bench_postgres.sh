#!/bin/bash
# Ten thousand tables in one database, then a hundred databases on one server: disk_growth, bloat and the others beside
# Debian's check_postgres on the same server.  TABLES and DATABASES make it smaller.
. "$(dirname "$0")/../integration/lib.sh"
. "$(dirname "$0")/../integration/lib_postgres.sh"
need postgres initdb psql check_postgres
TABLES=${TABLES:-10000} DATABASES=${DATABASES:-100}

postgres_start main autovacuum=off max_locks_per_transaction=1000 log_statement=none || exit 1
sql "CREATE DATABASE many"
for ((i = 0; i < TABLES; i += 1000)); do
        sql "DO \$\$ BEGIN FOR i IN $i..$((i + 999)) LOOP EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY, a text, b int)', i);
             EXECUTE format('INSERT INTO t%s SELECT g, md5(g::text), g FROM generate_series(1, 50) g', i); END LOOP; END \$\$" many
done
sql "VACUUM ANALYZE" many
for ((i = 1; i < DATABASES; i++)); do sql "CREATE DATABASE d$i"; done

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=postgres"}
jobs:
  same: {audits: [disk_growth, bloat]}
Y
milliseconds() { date +%s%3N; }
from=$(milliseconds)
memory=$(python3 - "$ROUNDS" "$WORK/rounds.yaml" <<'P'
import resource, subprocess, sys
subprocess.run([sys.argv[1], "run", "same", "-c", sys.argv[2]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
P
)
ours=$(($(milliseconds) - from))
from=$(milliseconds)
peer=$(program check_postgres)
PATH=$(dirname "$(program psql)"):$PATH
# A peer that fails at once would look fast.
"$peer" --host=127.0.0.1 --port="$PG_PORT" --dbuser=postgres --dbname=many --action=bloat 2>&1 | grep -qE "BLOAT (OK|WARNING|CRITICAL)" ||
        { echo "check_postgres gives no answer"; exit 1; }
from=$(milliseconds)
for ((i = 0; i < DATABASES; i++)); do
        database=d$i
        [ "$i" -eq 0 ] && database=many
        "$peer" --host=127.0.0.1 --port="$PG_PORT" --dbuser=postgres --dbname="$database" --action=bloat >/dev/null 2>&1
done
for action in database_size dbstats; do
        "$peer" --host=127.0.0.1 --port="$PG_PORT" --dbuser=postgres --dbname=postgres --action="$action" \
                --warning=1TB --critical=1TB >/dev/null 2>&1
done
theirs=$(($(milliseconds) - from))
printf 'rounds %d ms, %d KiB resident; check_postgres (bloat in %d databases, database_size, dbstats) %d ms: %.1f times\n' \
        "$ours" "$memory" "$DATABASES" "$theirs" "$(echo "$theirs $ours" | awk '{print $1 / $2}')"
[ "$memory" -lt 65536 ] && [ "$theirs" -ge $((10 * ours)) ]
