#!/bin/bash
# PgBouncers that fail while they are asked: one that falls silent, one that goes away, one that never says a word, one beside healthy
# ones; each costs its own part of the time and is told, and the others are judged.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
. "$(dirname "$0")/lib_pgbouncer.sh"
need postgres initdb psql pgbouncer jq node

postgres_start main || exit 1
sql "CREATE ROLE rounds LOGIN; CREATE ROLE api LOGIN"
pgbouncer_start pooler "server_idle_timeout = 300"
pooler=$PORT
"$(program psql)" -X -q -h 127.0.0.1 -p "$pooler" -U api -d app -c 'SELECT 1' >/dev/null

proxy() { # proxy MODE TEXT: its port in $port
        port=$(free_port)
        start node "$TOP/tests/integration/faulty_proxy.mjs" "$port" "$pooler" "$1" "$2"
        wait_port "$port"
}
TARGETS=
target() { # target NAME PORTS: a pooler at these ports, with four hosts at most
        local hosts
        hosts=$(tr -cd , <<<"$2" | sed 's/,/,127.0.0.1/g')
        TARGETS+="  - {name: $1, kind: pgbouncer, timeout: 8s, dsn: \"host=127.0.0.1$hosts port=$2 user=rounds\"}
"
}
proxy stall "SHOW POOLS" && target silent "$port"
proxy cut "SHOW POOLS" && target lost "$port"
proxy stall "SHOW VERSION" && target mute "$port"
proxy stall "SHOW POOLS" && target beside_silent "$port,$pooler"
proxy cut "SHOW CONFIG" && target beside_lost "$port,$pooler"
proxy mute nothing && one=$port
proxy mute nothing && two=$port
target beside_mutes "$one,$two,$pooler"
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
$TARGETS
jobs:
  nightly: {audits: [pgbouncer], report: {formats: [json], to: $WORK/reports}}
Y
started=$SECONDS
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
took=$((SECONDS - started))
json=$(ls "$WORK"/reports/nightly-*Z.json)
has() {
        jq -e "[.findings[] | select($1)] | length >= 1" "$json" >/dev/null ||
                { jq -c '.findings[] | [.target,.control,.status,.reason,.resource.name,.message]' "$json" | grep "\"${TARGET:-}"; return 1; }
}
lacks() { ! has "$1" >/dev/null; }
check "all of it within the time of one target ($took s)" [ "$took" -le 12 ]
for TARGET in silent mute; do
        check "$TARGET: falling silent is a time-out" has ".target==\"$TARGET\" and .control==\"DBC-2\" and .status==\"error\" and .reason==\"timeout\" and (.message|test(\"SHOW [A-Z]+\"))"
        check "$TARGET: nothing passes" lacks ".target==\"$TARGET\" and .status==\"pass\""
done
TARGET=lost
check "going away is told" has '.target=="lost" and .control=="DBC-2" and .status=="error" and .reason=="unreachable"'
check "and nothing passes" lacks '.target=="lost" and .status=="pass"'
for TARGET in beside_silent beside_lost beside_mutes; do
        check "$TARGET: the healthy one is judged" has ".target==\"$TARGET\" and .control==\"DBC-2\" and .status==\"pass\""
        check "$TARGET: the other is told" has ".target==\"$TARGET\" and .status==\"error\" and (.resource.name|test(\"^127\"))"
done
both() { jq -e "$1" "$json" >/dev/null; }
check "two that never say a word are told both" both '[.findings[] | select(.target=="beside_mutes" and .control=="DBC-2" and .status=="error" and .reason=="timeout")] | length == 2'
finish
