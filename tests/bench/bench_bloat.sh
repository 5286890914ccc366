#!/bin/bash
# Bloat as estimated from statistics beside bloat as measured by pgstattuple, on tables and indexes of many shapes.  Fails when
# an estimate is more than eight points of a hundred off.
. "$(dirname "$0")/../integration/lib.sh"
. "$(dirname "$0")/../integration/lib_postgres.sh"
need postgres initdb psql jq

postgres_start main autovacuum=off || exit 1
sql "CREATE DATABASE shapes"
"$(program psql)" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$PG_PORT" -U postgres -d shapes -f "$TOP/tests/bench/bloat_shapes.sql" >/dev/null || exit 1
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: estimated, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=postgres", bloat_budget: 0}
jobs:
  weekly: {audits: [bloat], report: {formats: [json], to: $WORK/reports, latest: true}}
Y
"$ROUNDS" run weekly -c "$WORK/rounds.yaml" >/dev/null 2>&1
jq -r '[.inventory.tables[], .inventory.indexes[]][] | select(.bloat_percent != null) | [.kind + " " + .name, .bloat_percent] | @tsv' \
        "$WORK/reports/weekly-latest.json" | LC_ALL=C sort >"$WORK/estimated.tsv"
# What the fill factor keeps free is no bloat; a B-tree keeps a meta page and its inner pages.
sql "WITH r AS (SELECT c.oid, relname, relkind, coalesce((SELECT option_value::float8 FROM pg_options_to_table(reloptions)
                WHERE option_name = 'fillfactor'), CASE relkind WHEN 'i' THEN 90 ELSE 100 END) AS fill, relpages
                FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND relpages > 0)
     SELECT 'table ' || relname || E'\t' || round((100 * (w - (table_len - w) * (100 - fill) / fill) / table_len)::numeric, 1)
       FROM r, LATERAL (SELECT *, approx_free_space + dead_tuple_len AS w FROM pgstattuple_approx(r.oid)) m WHERE relkind = 'r'
     UNION ALL
     SELECT 'index ' || relname || E'\t' || round((100 * (1 - (1 + leaf_pages * avg_leaf_density / fill + internal_pages *
            least(avg_leaf_density / fill, 1)) * 8192 / index_size))::numeric, 1)
       FROM r, LATERAL pgstatindex(r.oid::regclass) m WHERE relkind = 'i' AND leaf_pages > 0" shapes | LC_ALL=C sort >"$WORK/measured.tsv"
LC_ALL=C join -t "$(printf '\t')" "$WORK/estimated.tsv" "$WORK/measured.tsv" |
        awk -F'\t' '{ split($1, n, " "); m = $3 < 0 ? 0 : $3; printf "%s\t%s\t%s\t%s\t%s\n", n[1], n[2], $2, m, $2 - m }' >"$WORK/errors.tsv"
printf '%-6s %-20s %9s %9s %7s\n' kind name estimate measured points
awk -F'\t' '{ printf "%-6s %-20s %8.1f%% %8.1f%% %+7.1f\n", $1, $2, $3, $4, $5; d = $5 < 0 ? -$5 : $5; sum += d; if (d > worst) worst = d }
        END { printf "%d relations, mean error %.1f points, worst %.1f\n", NR, sum / NR, worst; exit !(NR >= 20 && worst <= 8) }' "$WORK/errors.tsv"
