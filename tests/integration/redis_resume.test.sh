#!/bin/bash
# A scan of keys in several parts: a connection that breaks, a deadline, Ctrl-C; and types guessed by name against those that the server has.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
need redis-server redis-cli jq

config() { # config NAME SETTINGS [POLICY]
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: cache, kind: redis, url: "redis://127.0.0.1:$port", role: cache, key_classes: [{name: decision, match: "decision:*", ttl: 1h}, {name: other, match: "*", ttl: 1h}]${2:+, }${2:-}}
policy: {RED-1: {sample: 0${3:+, }${3:-}}}
jobs:
  nightly: {audits: [redis_keys], report: {formats: [json], to: $WORK/reports-$1}}
Y
}
rescan() { # the settings of a target, changed for its next run
        sed -i "s/scan_rate: [0-9]*, timeout: [0-9]*s/$2/" "$WORK/$1.yaml"
}

port=$(free_port)
redis_start "$port"
wait_port "$port"
for i in $(seq 20000); do echo "SET decision:$i v EX 1800"; done | redis_cli "$port" --pipe >/dev/null
for i in $(seq 2000); do echo "SET mix:$i $i EX 1800"; done | redis_cli "$port" --pipe >/dev/null
for i in $(seq 40); do echo "HSET mix:h$i field value"; echo "EXPIRE mix:h$i 1800"; done | redis_cli "$port" --pipe >/dev/null
redis_cli "$port" EVAL 'for i = 1, 40 do redis.call("SET", "large:" .. i, string.rep("x", i * 1500), "EX", 1800) end' 0 >/dev/null
redis_cli "$port" SET large:99 "$(head -c 1500000 /dev/zero | tr '\0' x)" EX 1800 >/dev/null 2>&1 ||
        head -c 1500000 /dev/zero | tr '\0' x | redis_cli "$port" -x SET large:99 >/dev/null
redis_cli "$port" EXPIRE large:99 1800 >/dev/null
keys=$(redis_cli "$port" DBSIZE)

# Guessed types and sizes are those that the server tells of each key.
config whole ""
redis_cli "$port" CONFIG RESETSTAT >/dev/null
run whole
check "all keys are seen once" [ "$(jq '[.inventory.key_classes[].keys] | add' "$json")" -eq "$keys" ]
calls() { redis_cli "$port" INFO commandstats | sed -n "s/^cmdstat_$1:calls=\([0-9]*\),.*/\1/p"; }
# The two pages under way before anything is known hold up to 4,000 keys, where the server is slow to answer.
check "most of them by STRLEN ($(calls strlen) of $keys)" [ "$(calls strlen)" -gt $((keys / 2)) ]
check "so TYPE is asked of few ($(calls type))" [ "$(calls type)" -lt $((keys / 3)) ]
wrong=$(redis_cli "$port" INFO errorstats | sed -n 's/^errorstat_WRONGTYPE:count=\([0-9]*\).*/\1/p')
check "and wrong guesses are few (${wrong:-0})" [ "${wrong:-0}" -le 18 ]
truth=$(redis_cli "$port" EVAL 'local total, c = 0, "0" repeat local r = redis.call("SCAN", c, "COUNT", 1000) c = r[1] for _, k in ipairs(r[2]) do if string.sub(k, 1, 9) == "decision:" then total = total + redis.call("MEMORY", "USAGE", k) end end until c == "0" return total' 0)
told=$(jq '.inventory.key_classes[] | select(.id == "decision") | .bytes' "$json")
check "memory is told to within a percent ($told of $truth)" [ $((told * 100)) -ge $((truth * 99)) -a $((told * 100)) -le $((truth * 101)) ]
check "a large value among small ones of such names is found, exactly" has '.control=="RED-5" and .status=="fail" and .resource.kind=="string" and .resource.name=="large:99"'
exact=$(redis_cli "$port" MEMORY USAGE large:99)
check "its size is the server's ($exact)" has ".resource.name==\"large:99\" and (.observed|test(\"^$(awk -v b="$exact" 'BEGIN {printf "%.1f", b / 1048576}') MiB\"))"

# Where STRLEN would count as a use, it is not asked.
redis_cli "$port" CONFIG SET maxmemory-policy allkeys-lru >/dev/null
redis_cli "$port" CONFIG RESETSTAT >/dev/null
run whole
if [ "$(redis_cli "$port" CLIENT NO-TOUCH ON 2>&1)" = OK ]; then
        check "NO-TOUCH leaves LRU alone" [ -n "$(calls strlen)" ]
else
        check "eviction by use is left alone" [ -z "$(calls strlen)" ]
        check "by asking every key for its type" [ "$(calls type)" -ge "$keys" ]
fi
check "and nothing is lost by it" [ "$(jq '[.inventory.key_classes[].keys] | add' "$json")" -eq "$keys" ]
redis_cli "$port" CONFIG SET maxmemory-policy noeviction >/dev/null

# A connection that somebody kills in the middle: opened again, and every key seen once.
config killed "scan_rate: 20000"
(for _ in 1 2 3; do
        sleep 0.5
        redis_cli "$port" CLIENT LIST | sed -n 's/^id=\([0-9]*\) .* name=rounds .*/\1/p' | while read -r id; do redis_cli "$port" CLIENT KILL ID "$id" >/dev/null; done
done) &
PIDS+=($!)
redis_cli "$port" CONFIG RESETSTAT >/dev/null
run killed
check "a killed connection was opened again" [ "$(redis_cli "$port" INFO commandstats | sed -n 's/^cmdstat_client|setname:calls=\([0-9]*\),.*/\1/p')" -ge 2 ]
check "and no key was lost or seen twice" [ "$(jq '[.inventory.key_classes[].keys] | add' "$json")" -eq "$keys" ]
check "which is no sample" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^20000 keys, TTLs"))'

# A deadline cuts the scan; the next runs go on, and the last one has seen everything.
config parts "scan_rate: 10000, timeout: 2s"
run parts
check "the first run sees a part" has '.control=="RED-1" and .status=="error" and (.message|test("the next run goes on from there"))'
check "as a sample" has '.resource.name=="decision" and (.observed|test("of a sample"))'
first=$(jq '[.inventory.key_classes[].keys] | add' "$json")
check "of some keys ($first of $keys)" [ "$first" -gt 1000 -a "$first" -lt "$keys" ]
run parts
second=$(jq '[.inventory.key_classes[].keys] | add' "$json")
check "the second has seen more ($second)" [ "$second" -gt "$first" ]
rescan parts "scan_rate: 0, timeout: 60s"
run parts
check "the third has seen all, each once" [ "$(jq '[.inventory.key_classes[].keys] | add' "$json")" -eq "$keys" ]
check "and says over how many runs" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^20000 keys, TTLs up to .*, seen in 3 runs since 20"))'
check "with nothing left open" has '.control=="RED-5"'
run parts
check "the fourth begins anew" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^20000 keys, TTLs up to [^,]*$"))'

# Ctrl-C: what was seen is not lost either.
config stopped "scan_rate: 20000, timeout: 60s"
"$ROUNDS" run nightly -c "$WORK/stopped.yaml" >"$WORK/stopped.txt" 2>&1 &
pid=$!
sleep 1
kill -INT "$pid"
wait "$pid"
rescan stopped "scan_rate: 0, timeout: 60s"
run stopped
check "after Ctrl-C the next run goes on" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^20000 keys, TTLs up to .*, seen in 2 runs since 20"))'
check "and has seen all" [ "$(jq '[.inventory.key_classes[].keys] | add' "$json")" -eq "$keys" ]

# Switched off, other classes, another process: it begins anew.
for why in off classes restart; do
        config "$why" "scan_rate: 20000, timeout: 2s" "$([ $why = off ] && echo 'resume: 0s')"
        run "$why"
        case $why in
        classes) sed -i 's/ttl: 1h/ttl: 2h/' "$WORK/$why.yaml" ;;
        restart)
                redis_cli "$port" SAVE >/dev/null
                redis_cli "$port" SHUTDOWN NOSAVE
                for _ in $(seq 100); do redis_cli "$port" PING >/dev/null 2>&1 || break; sleep 0.05; done
                redis_start "$port"
                wait_port "$port"
                for _ in $(seq 100); do [ "$(redis_cli "$port" DBSIZE)" = "$keys" ] && break; sleep 0.05; done
                ;;
        esac
        rescan "$why" "scan_rate: 0, timeout: 60s"
        run "$why"
        check "begins anew: $why" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^20000 keys, TTLs up to [^,]*$"))'
done
finish
