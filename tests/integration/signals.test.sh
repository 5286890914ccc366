#!/bin/bash
# A run that is told to end, ends: quickly, in order, with what was finished kept; and a reader that goes away is no drama.
# timeout: 90
. "$(dirname "$0")/lib.sh"
need perl openssl jq sqlite3
quiet() { "$@" >/dev/null; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/key.pem" -out "$WORK/cert.pem" -days 90 -subj /CN=kept.test 2>/dev/null
PORT=$(free_port)
# Accepts and never says a word.
start perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => shift, Listen => 50) or die; my @c; while (my $c = $s->accept) { push @c, $c }' "$PORT"
wait_port "$PORT"
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: files, kind: tls, owner: me, files: [$WORK/cert.pem]}
  - {name: hung-tls, kind: tls, timeout: 60s, connect_timeout: 60s, endpoints: ["127.0.0.1:$PORT"]}
  - {name: hung-db, kind: postgres, timeout: 60s, dsn: "host=127.0.0.1 port=$PORT user=x dbname=x connect_timeout=60"}
  - {name: hung-redis, kind: redis, timeout: 60s, url: "redis://127.0.0.1:$PORT", role: cache}
  - {name: hung-pooler, kind: pgbouncer, timeout: 60s, dsn: "host=127.0.0.1 port=$PORT user=x"}
jobs: {nightly: {audits: all, report: {formats: [json], to: $WORK/reports}}}
Y

for signal in TERM INT; do
        "$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/$signal.txt" 2>&1 &
        pid=$!
        PIDS+=("$pid")
        sleep 1.5
        began=$(date +%s%N)
        kill -"$signal" "$pid"
        wait "$pid"
        status=$?
        took=$((($(date +%s%N) - began) / 1000000))
        check "SIG$signal ends a run with four hung targets ($took ms)" [ "$took" -lt 3000 ]
        check "SIG$signal: not fully assessed is status 2 ($status)" [ "$status" -eq 2 ]
        report=$(readlink -f "$WORK/reports/nightly-latest.json")
        check "SIG$signal: what was finished is in the report" quiet jq -e '.findings | map(select(.target == "files" and .status == "pass")) | length > 0' "$report"
        check "SIG$signal: what was not is an error, and says interrupted" quiet jq -e '.findings | map(select((.target | startswith("hung")) and .status != "skip") | .status == "error" and .reason == "interrupted") | length > 0 and all' "$report"
        check "SIG$signal: the store is whole" [ "$(sqlite3 "$WORK/rounds.db" 'PRAGMA integrity_check')" = ok ]
done

# Started without a terminal, stdin closed, as cron does; and the store is usable at once.
"$ROUNDS" run nightly -t files -c "$WORK/rounds.yaml" </dev/null >"$WORK/after.txt" 2>&1
check "the next run works" [ $? -le 2 ]

# A reader that is gone before anything is written.
(sleep 0.5; exec "$ROUNDS" report -c "$WORK/rounds.yaml" --format json -o - 2>"$WORK/pipe.txt") | true
status=${PIPESTATUS[0]}
check "a reader that goes away: status 4, not a signal ($status)" [ "$status" -eq 4 ]
check "and one line is said about it" [ "$(wc -l <"$WORK/pipe.txt")" -eq 1 ]
"$ROUNDS" report -c "$WORK/rounds.yaml" --format json -o - >/dev/full 2>"$WORK/full.txt"
check "output that cannot be written: status 4" [ $? -eq 4 ]
check "and why" grep -q 'standard output: No space left' "$WORK/full.txt"
finish
