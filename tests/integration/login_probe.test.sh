#!/bin/bash
# Wrong passwords sent to sign-ins that limit by address, that lock, that do neither, that hang; and to none that is not marked for it.
# timeout: 60
. "$(dirname "$0")/lib.sh"
need node jq
port=$(free_port)
log=$WORK/requests.log
: >"$log"
start node "$TOP/tests/integration/login_server.mjs" "$port" "$log"
wait_port "$port" 20

target() { # NAME PATH SETTINGS...
        local name=$1 path=$2
        shift 2
        printf '  - {name: %s, kind: login, url: "http://127.0.0.1:%s%s?key=url-secret", account: '"'te\"st'"', pause: 10ms' "$name" "$port" "$path"
        printf ', %s' "$@"
        echo "}"
}
on="staging: true, active: true"
{
        echo "version: 1"
        echo "store: sqlite:$WORK/rounds.db"
        echo "targets:"
        target limits /limits "$on"
        target both /both "$on" "locked_status: [423]"
        target locks /locks "$on" "locked_text: account is locked"
        target late /late "$on" "attempts: 20" "locked_status: [423]"
        target neither /neither "$on" "locked_status: [423]"
        target accepts /accepts "$on"
        target hangs /hangs "$on" "timeout: 2s"
        target form /form "$on" "failed: [302]" "method: PUT" "content_type: application/x-www-form-urlencoded" "body: 'user={account}&password={password}'"
        target unmarked /unmarked "active: true"
        target off /off "staging: true"
        echo "jobs:"
        echo "  nightly: {audits: [login_probe], report: {formats: [json, md], to: $WORK/reports}}"
} >"$WORK/rounds.yaml"

"$ROUNDS" run nightly --dry-run -c "$WORK/rounds.yaml" >"$WORK/plan.txt" 2>&1
check "the plan says beforehand what will be sent" grep -qF "will send: at most 11 times POST http://127.0.0.1:$port/limits as te\"st, each with a random wrong password, 10 ms apart, until it answers 429" "$WORK/plan.txt"
check "and that nothing will be" grep -q 'will send: nothing: it needs `staging: true` and `active: true`' "$WORK/plan.txt"
"$ROUNDS" check limits off -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "so does check" grep -q 'a run will send: at most 11 times POST' "$WORK/check.txt"
check "which names what is missing" grep -q 'set `staging: true`' "$WORK/check.txt"
check "neither of them sent a sign-in" bash -c "! grep -v '^GET ' '$log'"
check "no query is shown" bash -c "! grep -q url-secret '$WORK/plan.txt' '$WORK/check.txt'"

: >"$log"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
has() { # TARGET CONTROL CONDITION
        jq -e --arg target "$1" --arg control "$2" "[.findings[] | select(.target == \$target and .control == \$control and ($3))] | length == 1" "$json" >/dev/null ||
                { jq -c --arg target "$1" '.findings[] | select(.target == $target) | [.control, .status, .reason, .observed, .message]' "$json"; cat "$WORK/out.txt"; return 1; }
}
sent() { [ "$(grep -c "^[A-Z]* $1 " "$log")" -eq "$2" ] || { grep -c "^[A-Z]* $1 " "$log"; return 1; }; }
check "a limit by address passes" has limits ATH-1 '.status == "pass" and (.observed | test("429 at attempt 11.*Retry-After 60"))'
check "no lock is judged where nothing tells one" has limits ATH-2 '.status == "skip"'
check "it stops at the 429" sent /limits 11
check "a limit and a lock" has both ATH-1 '.status == "pass"'
check "both seen" has both ATH-2 '.status == "pass" and .observed == "locked after 5 failures"'
check "a lock told by its text" has locks ATH-2 '.status == "pass"'
check "but no limit" has locks ATH-1 '.status == "fail" and (.observed | test("11 wrong passwords in .*, no 429"))'
check "a limit that comes late" has late ATH-1 '.status == "fail" and (.observed | test("429 at attempt 15"))'
check "neither: no limit" has neither ATH-1 '.status == "fail" and .severity == "SEV2"'
check "neither: no lock" has neither ATH-2 '.status == "fail" and .observed == "11 failures in a row, no lock"'
check "never more than were allowed" sent /neither 11
check "a sign-in that lets a random password in ends at once" has accepts ATH-1 '.status == "error" and .reason == "protocol" and (.message | test("answered by status 200"))'
check "after one" sent /accepts 1
check "one that hangs is an error" has hangs ATH-1 '.status == "error" and .reason == "timeout" and (.message | test("wrong password 3 of 11"))'
check "a form, by PUT" has form ATH-1 '.status == "pass"'
check "escaped as forms are" grep -qE '^PUT /form application/x-www-form-urlencoded user=te%22st&password=wrong-[0-9a-f]{32}$' "$log"
check "escaped as JSON is" grep -qE '^POST /limits application/json \{"username": "te\\"st", "password": "wrong-[0-9a-f]{32}"\}$' "$log"
check "every password is another" bash -c "grep -o 'wrong-[0-9a-f]*' '$log' | sort | uniq -d | { ! grep -q .; }"
check "no staging mark: an error, and nothing sent" has unmarked ATH-1 '.status == "error" and .reason == "configuration" and (.message | test("not marked as staging"))'
check "not switched on: the same" has off ATH-2 '.status == "error" and .reason == "configuration" and (.remedy | test("active: true"))'
check "nothing at all went there" bash -c "! grep -qE ' /(unmarked|off) ' '$log'"
facts_of "$WORK/rounds.db" >"$WORK/facts.json"
check "no password and no query in facts and reports" bash -c "! grep -rqE 'wrong-[0-9a-f]{8}|url-secret' '$WORK/facts.json' '$WORK/reports' '$WORK/out.txt'"

printf 'version: 1\nstore: sqlite:%s/x.db\ntargets:\n  - {name: x, kind: login, url: "http://127.0.0.1:1/", account: a, attempts: 21, body: "none"}\n' "$WORK" >"$WORK/bad.yaml"
"$ROUNDS" list targets -c "$WORK/bad.yaml" >"$WORK/bad.txt" 2>&1
check "more than twenty attempts are a mistake in the configuration" grep -q attempts "$WORK/bad.txt"

finish
