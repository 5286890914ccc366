#!/bin/bash
# kill -9 at random moments of `rounds run`: the store opens and is sound, and the next run works.
# (tests/unit/test_store_kill.c does the same within large transactions and counts what was committed.)
set -u
rounds=$(realpath "${ROUNDS:-${BUILD:-build}/rounds}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
fail() { echo "FAIL: $*"; exit 1; }
cat >rounds.yaml <<'YAML'
version: 1
organisation: Example
store: sqlite:rounds.db
targets: []
jobs:
  nightly: {audits: all, min_coverage: 0%, report: {formats: [md, html, xlsx, json], to: reports}}
YAML
RANDOM=20261124
killed=0
for i in $(seq 30); do
        "$rounds" run nightly >/dev/null 2>err &
        pid=$!
        sleep "0.0$((RANDOM % 60 + 10))"
        kill -9 "$pid" 2>/dev/null
        { wait "$pid"; } 2>/dev/null
        [ $? = 137 ] && killed=$((killed + 1))
        "$rounds" run nightly >out 2>&1 || { cat out; fail "the run after kill $i"; }
        "$rounds" list runs >out 2>&1 || { cat out; fail "the store after kill $i"; }
        if command -v sqlite3 >/dev/null; then
                [ "$(sqlite3 rounds.db 'PRAGMA integrity_check')" = ok ] || fail "the store is damaged after kill $i"
        fi
        python3 -c 'import json, sys; json.load(open("reports/nightly-latest.json"))' || fail "half a report after kill $i"
done
[ "$killed" -gt 0 ] || fail "no kill was in time"
echo "ok: $killed of 30 kills fell within a run"
