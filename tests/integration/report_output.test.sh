#!/bin/bash
# Where reports go: standard output byte for byte like the files, a full disk, a reader that goes away, folders that cannot be written,
# a store that may only be read; and what a monitoring system is told.
# timeout: 60
. "$(dirname "$0")/lib.sh"
need redis-server redis-cli jq

port=$(free_port)
mkdir -p "$WORK/redis"
start "$(program redis-server)" --port "$port" --save "" --dir "$WORK/redis"
wait_port "$port"
"$(program redis-cli)" -p "$port" SET lasting v >/dev/null
S="$WORK/a store ?mode=rw#%41"
mkdir -p "$S" "$WORK/scratch"
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: "sqlite:$S/rounds.db"
targets:
  - {name: cache, kind: redis, url: "redis://127.0.0.1:$port", role: cache, key_classes: [{name: all, match: "*"}]}
jobs:
  nightly: {audits: [redis_keys], report: {formats: [json, md], to: $WORK/reports}}
Y
rounds() { TMPDIR=$WORK/scratch "$ROUNDS" "$@" -c "$WORK/rounds.yaml" 2>"$WORK/errors.txt"; }
is() { [ "$status" -eq "$1" ] || { echo "status $status"; cat "$WORK/errors.txt"; return 1; }; }
complains() { grep -q -- "$1" "$WORK/errors.txt" || { cat "$WORK/errors.txt"; return 1; }; }

answer=$(rounds status)
check "without a store nothing is known" [ $? -eq 3 ]
check "which is one line for the plugin's reader" grep -qE '^ROUNDS UNKNOWN: .' <<<"$answer"
rounds run nightly >/dev/null
check "a run went by" [ $? -eq 1 ]

rounds report --format md,html,json,xlsx,ics --output "$WORK/files" >"$WORK/told.txt"
status=$?
check "every format is written" is 0
check "and told" [ "$(grep -c "^$WORK/files/" "$WORK/told.txt")" -ge 5 ]
for format in md html json xlsx ics; do
        file=$(find "$WORK/files" -type f -name "nightly-*Z.$format")
        rounds report --format $format --output - >"$WORK/out.$format"
        status=$?
        check "$format goes to standard output" is 0
        check "$format is the same there, byte for byte" cmp "$file" "$WORK/out.$format"
        rounds report --format $format --output - >/dev/full
        status=$?
        check "$format on a full disk fails" is 4
        check "$format: space is asked for" complains 'free space where the output goes'
        rounds report --format $format --output - | head -c 0
        status=${PIPESTATUS[0]}
        check "$format: a reader that goes away ends it as a failure, no signal" [ "$status" -eq 4 -o "$status" -eq 0 ]
done
check "nothing is left between" [ -z "$(ls -A "$WORK/scratch")" ]
rounds report --output - >"$WORK/out.txt"
check "standard output gets Markdown when nothing is said" cmp "$WORK/out.txt" "$WORK/out.md"
rounds report --quiet >"$WORK/out.txt"
check "the job's own formats and folder are the default" [ "$(find "$WORK/reports" -name 'nightly-*Z.json' | wc -l)" -eq 1 -a ! -s "$WORK/out.txt" ]
TMPDIR=/nowhere "$ROUNDS" report --format xlsx --output - -c "$WORK/rounds.yaml" >/dev/null 2>"$WORK/errors.txt"
status=$?
check "no folder for what lies between is said" is 4
check "with its name" complains '/nowhere: No such file'
check "and what mends it" complains 'set TMPDIR'

for words in "--format nope" "--format md,html --output -" "--format md,,nope" "--run x" "--run 0" "--run 99" "--since -1" "--job nobody"; do
        # shellcheck disable=SC2086
        rounds report $words >/dev/null
        status=$?
        check "report $words is refused" is 3
done
: >"$WORK/file"
rounds report --format md --output "$WORK/file" >/dev/null
status=$?
check "a file where a folder should be" is 4
check "is named" complains "$WORK/file"
if [ "$(id -u)" -eq 0 ]; then
        # Nobody owns neither the store nor its folder: nothing can be made beside it.
        chmod 755 "$S" && chmod 644 "$S"/*
        nobody() { as_nobody "$ROUNDS" "$@" -c "$WORK/rounds.yaml" 2>"$WORK/errors.txt"; }
        nobody report --format json --output - >"$WORK/out.txt"
        status=$?
        check "a store that may only be read is read" is 0
        check "to the same report" cmp "$WORK/out.txt" "$WORK/out.json"
        nobody status >"$WORK/out.txt"
        status=$?
        check "and tells that the rounds happened" is 0
        check "with figures" grep -qE '^ROUNDS OK: .*\|.*=' "$WORK/out.txt"
        nobody run nightly >/dev/null
        status=$?
        check "it is not written" is 4
fi

answer=$(rounds status)
check "the rounds happened" [ $? -eq 0 ]
sleep 1.1
answer=$(rounds status --max-age 1s)
check "not within a second" [ $? -eq 2 ]
check "which is critical" grep -q '^ROUNDS CRITICAL: ' <<<"$answer"
for words in "--max-age soon" "--max-age -1h" "--max-age 0s" "--job nobody"; do
        # shellcheck disable=SC2086
        answer=$(rounds status $words)
        check "status $words is unknown" [ $? -eq 3 ]
        check "status $words says so on one line" grep -q '^ROUNDS UNKNOWN: ' <<<"$answer"
done
printf 'not a database, but long enough to be looked at as one: %01000d' 0 >"$S/rounds.db"
rm -f "$S"/rounds.db-*
rounds report --format json --output - >/dev/null
status=$?
check "what is no store is said" is 4
check "with what to do about it" complains 'move .* aside'
finish
