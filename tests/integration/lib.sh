# What integration tests share: where programs are, free ports, servers that end with the test.  Sourced, not run.
# shellcheck shell=bash
set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-$TOP/$BUILD/rounds}
if [ -n "${TMPDIR:-}" ] && [ "$TMPDIR" != /tmp ]; then WORK=$TMPDIR; else WORK=$(mktemp -d); fi
SERVERS=$TOP/build/servers
PIDS=()

# Servers that refuse root run as nobody, in folders that are nobody's.
if [ "$(id -u)" -eq 0 ]; then
        # The checkout may lie in a folder that only root may enter: nobody may read and pass, where the kernel lets us say so.
        NOBODY="setpriv --reuid=nobody --regid=nogroup --clear-groups"
        # (Without the secure bit access(2), which initdb asks, would not count the capability.)
        READING="--securebits +no_setuid_fixup --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
        # shellcheck disable=SC2086
        $NOBODY $READING true 2>/dev/null && NOBODY="$NOBODY $READING"
        # shellcheck disable=SC2086
        as_nobody() { $NOBODY env HOME="$WORK" "$@"; }
        give_nobody() { chown -R nobody:nogroup "$@"; }
else
        as_nobody() { env "$@"; }
        give_nobody() { :; }
fi

# program NAME [FOLDER...]: its path, from build/servers, PATH, or the folders that Debian hides servers in.
program() {
        local name=$1 folder
        for folder in "$SERVERS"/usr/lib/postgresql/*/bin "$SERVERS/usr/sbin" "$SERVERS/usr/bin" "$SERVERS/bin" /usr/lib/postgresql/*/bin \
                /usr/sbin /usr/bin; do
                [ -x "$folder/$name" ] && { echo "$folder/$name"; return 0; }
        done
        command -v "$name"
}

# need NAME...: skips the test, loudly, when a program is missing.
need() {
        local name
        for name in "$@"; do
                program "$name" >/dev/null || { echo "SKIPPED: $name is not here (make deps unpacks it)"; exit 77; }
        done
}

# need_npm NAME...: skips the test, loudly, when a package of tests/npm is missing.  Scripts find them by NODE_PATH (CommonJS) or by
# createRequire on "$NODE_PATH/" (modules).
export NODE_PATH=$TOP/build/npm/node_modules
need_npm() {
        local name
        for name in "$@"; do
                [ -d "$NODE_PATH/$name" ] || { echo "SKIPPED: the npm package $name is not here (make deps installs it)"; exit 77; }
        done
}

# A port that nobody listens on now; below the range from which the kernel takes ports for outgoing connections.
free_port() {
        local port
        while :; do
                port=$((10000 + RANDOM % 22000))
                (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
        done
}

# wait_port PORT [SECONDS]: until somebody listens.
wait_port() {
        local i
        for ((i = 0; i < ${2:-20} * 20; i++)); do
                (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
                sleep 0.05
        done
        echo "nobody listens on port $1"
        return 1
}

# start COMMAND...: in the background, ended with the test.  Its process id is in $LAST: the command's own, as_nobody or not.
start() {
        (
                if [ "$1" = as_nobody ]; then
                        shift
                        # shellcheck disable=SC2086
                        exec ${NOBODY:-} env HOME="$WORK" "$@"
                fi
                exec "$@"
        ) >>"$WORK/servers.log" 2>&1 </dev/null &
        LAST=$!
        PIDS+=("$LAST")
}

# Ends what was started, the last first; what does not end when told is ended after 5 seconds.
stop_all() {
        local pid i
        for ((i = ${#PIDS[@]} - 1; i >= 0; i--)); do kill "${PIDS[i]}" 2>/dev/null; done
        for pid in "${PIDS[@]:-}"; do
                [ -n "$pid" ] || continue
                for ((i = 0; i < 100; i++)); do
                        kill -0 "$pid" 2>/dev/null || break
                        # PostgreSQL waits for its clients when told politely.
                        [ $i -eq 10 ] && kill -QUIT "$pid" 2>/dev/null
                        sleep 0.05
                done
                kill -KILL "$pid" 2>/dev/null
                wait "$pid" 2>/dev/null
        done
        PIDS=()
}
trap stop_all EXIT
trap 'exit 130' INT TERM

# facts_of STORE: every fact that a SQLite store keeps, as JSON.
facts_of() {
        local id
        for id in $(sqlite3 "$1" "SELECT result_id FROM facts ORDER BY 1"); do
                sqlite3 "$1" "SELECT writefile('$WORK/facts.zst', body) FROM facts WHERE result_id = $id" >/dev/null
                zstd -dcq "$WORK/facts.zst" || return 1
                echo
        done
}

# run NAME: the job `nightly` of $WORK/NAME.yaml, whose reports go `to: $WORK/reports-NAME, latest: true`.  Its report is in $json, its exit
# status in $status, its words in $WORK/NAME.out, its seconds in $took.
run() {
        local from=$SECONDS
        json=$WORK/reports-$1/nightly-latest.json
        rm -f "$json"
        "$ROUNDS" run nightly -c "$WORK/$1.yaml" >"$WORK/$1.out" 2>&1
        status=$?
        took=$((SECONDS - from))
        [ -e "$json" ] || { cat "$WORK/$1.out"; json=/dev/null; }
}

# has CONDITION: some finding of $json is so, by a condition of jq's; has_one: exactly one; none: no finding is.  Where it is not so, the
# findings are told (by `none`, those that should not be).
findings_told='[.target,.audit,.control,.status,.severity,.reason,.resource.kind,.resource.namespace,.resource.name,.observed,.expected,.message,.remedy]'
has() { jq -e "[.findings[] | select($1)] | length >= 1" "$json" >/dev/null || { jq -c ".findings[] | $findings_told" "$json"; return 1; }; }
has_one() { jq -e "[.findings[] | select($1)] | length == 1" "$json" >/dev/null || { jq -c ".findings[] | $findings_told" "$json"; return 1; }; }
none() { jq -e "[.findings[] | select($1)] | length == 0" "$json" >/dev/null || { jq -c ".findings[] | select($1) | $findings_told" "$json"; return 1; }; }

FAILURES=0
# check NAME COMMAND...: the command must succeed.
check() {
        local name=$1
        shift
        if "$@"; then
                echo "  ok: $name"
        else
                echo "  FAILED: $name"
                FAILURES=$((FAILURES + 1))
        fi
}
# finish: the verdict.
finish() {
        if [ "$FAILURES" -gt 0 ]; then
                echo "FAIL: $FAILURES checks failed"
                exit 1
        fi
        echo "ok: all checks passed"
        exit 0
}
