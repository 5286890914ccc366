#!/bin/bash
# A scan gives way to other clients: when they do less than half of what they did before it, it brakes, however quickly the server
# answers; where they go on as before it does not, nor where the configuration says never.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
need redis-server redis-cli jq node sqlite3 zstd

# As many commands a second as it is told, whatever the clock of the event loop does: what is late is sent at once.
cat >"$WORK/client.js" <<'J'
const s = require('net').connect(Number(process.argv[2]), '127.0.0.1');
s.on('data', () => {}); s.on('error', () => process.exit(0)); s.on('close', () => process.exit(0));
const began = Date.now();
let sent = 0;
setInterval(() => { const due = Math.floor((Date.now() - began) * 2); if (due > sent) s.write('GET decision:1\r\n'.repeat(due - sent)); sent = Math.max(due, sent); }, 5);
setTimeout(() => process.exit(0), 50000);
J
calls() { redis_cli "$1" INFO commandstats | sed -n "s/^cmdstat_$2:calls=\\([0-9]*\\),.*/\\1/p"; }
prepare() { # prepare NAME BRAKE: a server with a steady client; its port in $port, the client in $client
        port=$(free_port)
        redis_start "$port"
        wait_port "$port"
        for i in $(seq 15000); do echo "SET decision:$i v EX 3000"; done | redis_cli "$port" >/dev/null
        start node "$WORK/client.js" "$port"
        client=$LAST
        # 45,000 commands at 10,000 a second: the scan takes four seconds and a half.
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: cache, kind: redis, url: "redis://127.0.0.1:$port", role: cache, scan_rate: 10000, scan_brake: $2, key_classes: [{name: decision, match: "decision:*", ttl: 1h}]}
jobs:
  nightly: {audits: [redis_keys], report: {formats: [json], to: $WORK/$1}}
Y
}
prepare yields 60s
yields=$port yields_client=$client
prepare steady 60s
steady=$port
prepare never 0s
never=$port never_client=$client
# What a server says of its last second and a half is what the scan takes for the habit of the others.
busy() { local ops; ops=$(redis_cli "$1" INFO stats | sed -n "s/^instantaneous_ops_per_sec:\\([0-9]*\\).*/\\1/p"); [ "$ops" -ge 1500 ] && [ "$ops" -le 2500 ]; }
for port in $yields $steady $never; do
        for _ in $(seq 200); do busy "$port" && break; sleep 0.1; done
        check "the client at $port is at work" busy "$port"
done
RUNS=()
for name in yields steady never; do
        "$ROUNDS" run nightly -c "$WORK/$name.yaml" >"$WORK/$name.txt" 2>&1 &
        RUNS+=($!)
done
for port in $yields $never; do
        for _ in $(seq 200); do [ -n "$(calls "$port" scan)" ] && break; sleep 0.05; done
done
kill "$yields_client" "$never_client"
wait "${RUNS[@]}"

scan() { # scan NAME CONDITION: holds of what the facts tell about the scan
        facts_of "$WORK/$1.db" | jq -se "map(select(.keyspace)) | first | .servers[0].scan | $2" >/dev/null ||
                { facts_of "$WORK/$1.db" | jq -c '.servers[]?.scan | select(.)'; return 1; }
}
for name in yields steady never; do
        check "$name: the whole key space was seen" scan "$name" '.complete and .seen == 15000'
        check "$name: no answer took long" scan "$name" '.slowest_us < 5000000'
done
check "a scan brakes when other clients fall behind" scan yields '.brakes >= 1 and .braked_ms >= 500'
check "it does not while they go on as before" scan steady '.brakes == 0'
check "nor where it never shall" scan never '.brakes == 0'
finish
