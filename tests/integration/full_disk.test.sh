#!/bin/bash
# A store or a report that cannot be written is exit status 4, the old report stays, and the next run works.
# And two runs of one job never overlap.
set -u
rounds=$(realpath "${ROUNDS:-${BUILD:-build}/rounds}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
fail() { echo "FAIL: $*"; exit 1; }
expect() { # STATUS WHAT COMMAND...
        local wanted=$1 what=$2 met; shift 2
        "$@" >out 2>err; met=$?
        [ "$met" = "$wanted" ] || { cat out err; fail "$what: exit status $met, not $wanted"; }
}
cat >rounds.yaml <<'YAML'
version: 1
organisation: Example
store: sqlite:rounds.db
targets: []
jobs:
  nightly: {audits: all, min_coverage: 0%, report: {formats: [md, json], to: reports}}
YAML

expect 0 "a first run" "$rounds" run nightly
[ -s out ] && fail "silent when there is nothing to act on, but it said: $(cat out)"
old=$(readlink -f reports/nightly-latest.json)
sum=$(sha256sum <"$old")
sleep 1.1 # reports are named after the second

# No file may grow beyond 8 blocks: the store's log cannot be written.
expect 4 "no room for the store" bash -c 'ulimit -f 8; exec "$0" run nightly' "$rounds"
grep -q "cannot be written" err || { cat err; fail "the store is not named as the cause"; }
[ "$(readlink -f reports/nightly-latest.json)" = "$old" ] && [ "$(sha256sum <"$old")" = "$sum" ] ||
        fail "the old report did not stay"

# The folder of the reports is in the way of a file: the store is kept, the reports are not.
mv reports kept && echo "not a folder" >reports
expect 4 "no folder for reports" "$rounds" run nightly
rm reports && mv kept reports
[ "$(sha256sum <"$old")" = "$sum" ] || fail "the old report changed"

expect 0 "the next run" "$rounds" run nightly
[ "$(readlink -f reports/nightly-latest.json)" != "$old" ] || fail "no new report"
expect 0 "status after it" "$rounds" status
[ "$(ls -A reports | grep -c -v '^nightly-')" = 0 ] || fail "something is left over: $(ls -A reports)"

# Somebody holds the lock of the job, as a run does.
exec 9>>rounds.db.nightly.lock
flock -n 9 || fail "the lock is held though nothing runs"
expect 4 "an overlapping run" "$rounds" run nightly
grep -q "already running" err || { cat err; fail "it does not say that the job is running"; }
exec 9>&-
expect 0 "when the other has ended" "$rounds" run nightly
echo "ok: exit status 4 without room, the old report stays, no overlap"
