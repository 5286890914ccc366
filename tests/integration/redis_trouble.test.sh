#!/bin/bash
# Redis in trouble: found through Sentinel and again after a failover; gone and back in the middle of a scan; loading, full, busy, frozen;
# what speaks like Redis and is none; a service that hides what it can.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
need redis-server redis-cli jq node

run() { # run NAME TARGET AUDITS: its report in $json, its words in $WORK/NAME.txt
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: cache, kind: redis, role: cache, timeout: ${LIMIT:-8s}, key_classes: [{name: decision, match: "decision:*", ttl: 60s}], $2}
jobs:
  nightly: {audits: [$3], report: {formats: [json], to: $WORK/$1}}
Y
        SECONDS=0
        "$ROUNDS" run nightly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        status=$?
        json=$(find "$WORK/$1" -name 'nightly-*Z.json' | sort | tail -n 1)
}
fill() { for i in $(seq "$2"); do echo "SET decision:$i v EX 60"; done | redis_cli "$1" >/dev/null; }

# Sentinel: the master by name, and the new one after the old one died.
one=$(free_port) two=$(free_port) sentinel=$(free_port)
redis_start "$one"
first=$LAST
wait_port "$one"
redis_start "$two" --replicaof 127.0.0.1 "$one"
printf 'port %s\ndir %s\nsentinel monitor mymaster 127.0.0.1 %s 1\nsentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n' \
        "$sentinel" "$WORK" "$one" >"$WORK/sentinel.conf"
wait_port "$two"
start "$(program redis-server)" "$WORK/sentinel.conf" --sentinel
wait_port "$sentinel"
fill "$one" 300
for _ in $(seq 200); do redis_cli "$sentinel" SENTINEL REPLICAS mymaster 2>/dev/null | grep -qx slave && [ "$(redis_cli "$two" DBSIZE)" = 300 ] &&
        redis_cli "$one" INFO replication | grep -q 'state=online' && break; sleep 0.05; done
there="url: \"redis://by-sentinel/0\", sentinels: [\"127.0.0.1:1\", \"127.0.0.1:$sentinel\"]"
run sentinel "$there" redis_keys,redis_memory
check "the master is found through the second of two Sentinels" has ".control==\"RED-2\" and .resource.name==\"127.0.0.1:$one\""
check "and its keys are scanned" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^300 keys"))'
check "on its replica" sh -c "$(program redis-cli) -p $two INFO commandstats | grep -q '^cmdstat_pttl:' && ! $(program redis-cli) -p $one INFO commandstats | grep -q '^cmdstat_pttl:'"
run primary "$there, read_from: primary" redis_keys
check "or on the master where that is asked" sh -c "$(program redis-cli) -p $one INFO commandstats | grep -q '^cmdstat_pttl:'"
run wrong "$there, sentinel_master: other" redis_keys
check "a name that no Sentinel knows is told" has '.status=="error" and (.message|test("knows no master"))'
kill -9 "$first"
for _ in $(seq 200); do redis_cli "$sentinel" SENTINEL GET-MASTER-ADDR-BY-NAME mymaster | grep -qx "$two" && redis_cli "$two" ROLE | grep -qx master && break; sleep 0.1; done
run sentinel "$there" redis_keys,redis_memory
check "after a failover the new master is found" has ".control==\"RED-2\" and .resource.name==\"127.0.0.1:$two\""

# Gone and back in the middle of a scan: what was seen is a sample, and it is said how much that is.
gone=$(free_port)
redis_start "$gone"
victim=$LAST
wait_port "$gone"
fill "$gone" 20000
(sleep 1 && kill -9 "$victim" && "$(program redis-server)" --port "$gone" --save "" --dir "$WORK/redis-$gone" >/dev/null 2>&1 & echo $! >"$WORK/back.pid"; sleep 8) &
PIDS+=($!)
run gone "url: \"redis://127.0.0.1:$gone\", scan_rate: 20000" redis_keys
check "a server that goes away breaks the scan off" has '.control=="RED-1" and .status=="error" and .reason=="unreachable" and (.message|test("broke off after [0-9]+ keys of 20000"))'
check "what was seen before is judged as a sample" has '.resource.name=="decision" and (.observed|test("of a sample"))'
pid=$(redis_cli "$gone" INFO server 2>/dev/null | sed -n 's/^process_id:\([0-9]*\).*/\1/p')
PIDS+=("$pid")

# Loading its data.
loads=$(free_port)
redis_start "$loads"
wait_port "$loads"
fill "$loads" 4000
redis_cli "$loads" SAVE >/dev/null
kill -9 "$LAST"
wait "$LAST" 2>/dev/null
redis_start "$loads" --dbfilename dump.rdb --key-load-delay 3000 --loading-process-events-interval-bytes 1024
wait_port "$loads"
run loading "url: \"redis://127.0.0.1:$loads\"" redis_keys,redis_memory
check "a server that loads is not assessed, and says why" has '.control=="RED-1" and .status=="error" and .reason=="unreachable" and (.message|test("LOADING")) and (.remedy|test("still loading"))'
kill -9 "$LAST"

# Full: what is to be read is still read.
full=$(free_port)
redis_start "$full" --maxmemory 3mb --maxmemory-policy noeviction
wait_port "$full"
fill "$full" 20000 2>/dev/null
check "the server is out of memory" sh -c "$(program redis-cli) -p $full SET x y 2>&1 | grep -q OOM"
run full "url: \"redis://127.0.0.1:$full\"" redis_keys,redis_memory
check "a full server is found to be full" has '.control=="RED-3" and .status=="fail" and .severity=="SEV1"'
check "and its keys are scanned all the same" has '.resource.name=="decision" and .status=="pass"'

# A script that does not end.
busy=$(free_port)
redis_start "$busy" --busy-reply-threshold 100
wait_port "$busy"
fill "$busy" 10
start "$(program redis-cli)" -p "$busy" EVAL 'while true do end' 0
for _ in $(seq 100); do redis_cli "$busy" PING 2>&1 | grep -q BUSY && break; sleep 0.05; done
run busy "url: \"redis://127.0.0.1:$busy\"" redis_keys
check "a server that a script holds is not assessed, and says how it ends" has '.status=="error" and .reason=="timeout" and (.message|test("BUSY")) and (.remedy|test("SCRIPT KILL"))'
redis_cli "$busy" SCRIPT KILL >/dev/null

# Frozen: the deadline ends it.
frozen=$(redis_cli "$busy" INFO server | sed -n 's/^process_id:\([0-9]*\).*/\1/p')
kill -STOP "$frozen"
LIMIT=2s run frozen "url: \"redis://127.0.0.1:$busy\"" redis_keys
kill -CONT "$frozen"
check "a frozen server costs its own deadline (${SECONDS} s)" [ "$SECONDS" -le 7 ]
check "and is a time-out" has '.status=="error" and .reason=="timeout"'

# What answers like Redis and knows no command; what closes at once; what promises more than memory holds.
cat >"$WORK/liars.js" <<'J'
const net = require('net');
const listen = (port, talk) => net.createServer((c) => { c.on('error', () => {}); talk(c); }).listen(Number(port), '127.0.0.1');
const [proxy, closer, boaster] = process.argv.slice(2);
listen(proxy, (c) => c.on('data', (d) => c.write('-ERR unknown command\r\n'.repeat((d.toString('latin1').match(/\*\d+\r\n/g) || []).length))));
listen(closer, (c) => c.end());
listen(boaster, (c) => c.on('data', () => c.write('*2147483647\r\n$536870912\r\n')));
setTimeout(() => process.exit(0), 60000);
J
proxy=$(free_port) closer=$(free_port) boaster=$(free_port)
start node "$WORK/liars.js" "$proxy" "$closer" "$boaster"
for port in $proxy $closer $boaster; do wait_port "$port"; done
run proxy "url: \"redis://127.0.0.1:$proxy\"" redis_keys,redis_memory
check "a proxy without INFO is said not to support it" has '.status=="error" and .reason=="unsupported" and (.message|test("INFO"))'
run closer "url: \"redis://127.0.0.1:$closer\"" redis_keys
check "a server that hangs up is unreachable" has '.status=="error" and .reason=="unreachable"'
run boaster "url: \"redis://127.0.0.1:$boaster\"" redis_keys
check "an answer too large for any memory is refused" has '.status=="error" and (.reason=="protocol" or .reason=="timeout")'
check "and cost none of ours" [ "$status" -lt 3 ]

# A managed service that hides CONFIG, MEMORY and CLIENT.
redis_cli "$full" ACL SETUSER managed on ">pw" "~*" +auth +select +info +scan +dbsize +pttl +type >/dev/null
printf 'pw\n' >"$WORK/password"
run managed "url: \"redis://managed@127.0.0.1:$full\", password_file: $WORK/password" redis_keys,redis_memory
check "eviction is judged by INFO alone" has '.control=="RED-2" and .status=="fail" and (.observed|test("noeviction"))'
check "sizes that are hidden are an error, with the right that shows them" has '.control=="RED-5" and .status=="error" and .reason=="unsupported" and (.remedy|test("memory.usage"))'
check "times to live are judged all the same" has '.resource.name=="decision" and .status=="pass"'
finish
