#!/bin/bash
# What is asked of runs that lie in the store: rounds diff, rejudge under today's policy and that of then, explain, version; with names
# of keys that would take over a terminal.
# timeout: 60
. "$(dirname "$0")/lib.sh"
need redis-server redis-cli jq sqlite3

port=$(free_port)
mkdir -p "$WORK/redis"
start "$(program redis-server)" --port "$port" --save "" --dir "$WORK/redis"
wait_port "$port"
cli() { "$(program redis-cli)" -p "$port" "$@" >/dev/null; }
config() { # config SETTING: of RED-5
        cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: cache, kind: redis, url: "redis://127.0.0.1:$port", role: cache, key_classes: [{name: all, match: "*"}]}
  - {name: lenient, kind: redis, url: "redis://127.0.0.1:$port/1", role: cache, policy: {RED-5: {largest: 3MB}}}
policy: {RED-5: {$1}}
jobs:
  nightly: {audits: [redis_keys], targets: [cache], report: {formats: [json], to: $WORK/reports}}
  other: {audits: [redis_keys], targets: [cache], report: {formats: [json], to: $WORK/reports}}
Y
}
# rounds WORD...: its words in $WORK/out.txt, what it complains of in $WORK/errors.txt, its status in $status.
rounds() {
        "$ROUNDS" "$@" -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>"$WORK/errors.txt"
        status=$?
}
ends() { [ "$status" -eq "$1" ] || { cat "$WORK/out.txt" "$WORK/errors.txt"; return 1; }; }
says() { grep -q -- "$1" "$WORK/out.txt" || { cat -v "$WORK/out.txt" "$WORK/errors.txt"; return 1; }; }
complains() { grep -q -- "$1" "$WORK/errors.txt" || { cat -v "$WORK/errors.txt"; return 1; }; }
# No byte below a blank but line feeds, no delete, no start of a sequence.
plain() { ! LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' "$WORK/out.txt"; }
counts() { jq -e ".counts == $1" "$WORK/out.txt" >/dev/null || { cat "$WORK/out.txt"; return 1; }; }
findings() {
        sqlite3 "$WORK/rounds.db" "SELECT identity_id, f.status, severity, f.reason, observed, expected, message, remedy, f.owner, evidence, waiver, note, first_seen_ms
                FROM findings f JOIN results r ON r.id = f.result_id WHERE r.run_id = $1 ORDER BY 1, 2"
}

config "largest: 1kB"
rounds diff
check "without a store there is nothing to compare" ends 4
large=$(head -c 5000 /dev/zero | tr '\0' x)
hostile=$'take\e]0;over\a<script>|'
cli SET "$hostile" "$large" EX 50
cli SET gone "$large" EX 50
rounds run nightly
check "the first run has findings" ends 1
rounds diff
check "one run alone is no difference" ends 3
check "and it says why" complains 'run 1 is the first of its job'
cli DEL gone
cli SET fresh "$large" EX 50
rounds run nightly
rounds diff
check "something new ends with 1" ends 1
check "it is told" says '^  SEV3 RED-5 cache string fresh: '
check "what is gone is fixed" says '^  SEV3 RED-5 cache string gone: .*(no longer there)$'
check "what stays is told" says '^Still failing: 1$'
check "a hostile name stays a name" plain
check "and can be read" says 'take␛\]0;over␇<script>|'
rounds diff --color=always
check "colours are ours alone" sh -c "! sed 's/\x1b\[[0-9]*m//g' '$WORK/out.txt' | LC_ALL=C grep -q '[[:cntrl:]]'"
rounds diff --json
check "as JSON" counts '{"new":1,"worse":0,"still":1,"fixed":1,"incomparable":0}'
named() { jq -e --arg name "$1" '[.changes[] | select(.resource.name == $name and .change == "still")] | length == 1' "$WORK/out.txt" >/dev/null; }
check "with the names as they are" named "$hostile"
check "and both runs" jq -e '.schema == "rounds.diff/1" and .from.id == 1 and .to.id == 2 and .to.job == "nightly"' "$WORK/out.txt"
cli DEL fresh
cli SET gone "$large" EX 50
rounds run nightly
rounds diff --json 1 3
check "over a run that lies between" counts '{"new":0,"worse":0,"still":2,"fixed":0,"incomparable":0}'
rounds diff --json 2
check "back again is new" counts '{"new":1,"worse":0,"still":1,"fixed":1,"incomparable":0}'
rounds diff 1 3
check "nothing new ends with 0" ends 0
rounds diff 3 1
check "the wrong way round is refused" ends 3
check "and said" complains 'run 3 is later than run 1'
for words in "1 1" "1 9" "9" "x" "0" "-- -1" "1 2x" "99999999999999999999999"; do
        # shellcheck disable=SC2086
        rounds diff $words
        check "diff $words is refused" ends 3
done
rounds run other
rounds diff --job other
check "another job has its own first run" complains 'run 4 is the first of its job'
rounds diff --json
check "and is the newest of all" ends 3
rounds diff --json --job nightly
check "a job's own runs are compared" jq -e '.from.id == 2 and .to.id == 3' "$WORK/out.txt"

# Judged anew.
findings 3 >"$WORK/before.txt"
rounds rejudge --dry-run 3
check "the same policy changes nothing" says '2 findings, 0 would change\|, 0 would change$'
config "largest: 100kB"
rounds rejudge --dry-run 3
check "a trial tells what would change" says '^RED-5 cache string gone: fail SEV3 -> none: '
check "also the pass that comes" says '^RED-5 cache: none -> pass: '
check "a hostile name stays a name there, too" plain
findings 3 >"$WORK/after.txt"
check "and keeps nothing" cmp "$WORK/before.txt" "$WORK/after.txt"
rounds rejudge 3
check "judged anew" ends 0
findings 3 >"$WORK/after.txt"
check "the findings are others" sh -c "! cmp -s '$WORK/before.txt' '$WORK/after.txt'"
rounds rejudge --quiet --policy=then 3
check "quietly" [ ! -s "$WORK/out.txt" ]
findings 3 >"$WORK/after.txt"
check "under the policy of then they are the same again, byte for byte" cmp "$WORK/before.txt" "$WORK/after.txt"
rounds rejudge
check "without a number the newest run is judged" says '^run 4: '
for words in "9" "x" "-- -1" "3 --policy never"; do
        # shellcheck disable=SC2086
        rounds rejudge $words
        check "rejudge $words is refused" ends 3
done

# Explained.
rounds explain red-5
check "a control is found by small letters" says '^# RED-5 '
check "its policy is the configuration's" says "^    largest  *100 kB  ($WORK/rounds.yaml: "
check "and a target's own" says '^    largest  *3 MB  (target lenient)$'
check "the audits that answer for it" says '^    redis_keys: '
check "and its clauses" says 'SOC2:'
rounds explain RED-1 CRT-2
check "lists of durations read as they are written" says '^    steps  *30 d, 14 d, 7 d, 3 d, 1 d  (as shipped: '
check "maps, too" says '^    ttls  '
rounds explain --all
check "every control is explained" [ "$(grep -c '^## Policy in force here$' "$WORK/out.txt")" -ge 50 ]
rounds explain RED-99
check "a control that is not there is refused" ends 3
rounds explain
check "so is none" ends 3
rounds version
check "the version is one line" sh -c "[ \$(wc -l <'$WORK/out.txt') -eq 1 ] && grep -qE '^rounds [0-9]+\.[0-9]+\.[0-9]+$' '$WORK/out.txt'"
rounds version -v
check "and those of the libraries" says '^libpq [0-9]'
finish
