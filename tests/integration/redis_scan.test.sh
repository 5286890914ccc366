#!/bin/bash
# The scan of a key space on real servers: every type, hostile names, vanishing keys, sample, ceiling, brake, replica, a deadline that cuts
# it; the documented rights; and nothing written, whatever audit runs.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
need redis-server redis-cli jq node

main=$(free_port) replica=$(free_port)
redis_start "$main" --repl-diskless-sync-delay 0
wait_port "$main"
cat >"$WORK/fill.js" <<'J'
// RESP for redis-cli --pipe: the names hold any byte.
const out = [];
const send = (...words) => out.push(`*${words.length}\r\n`, ...words.flatMap((w) => { const b = Buffer.isBuffer(w) ? w : Buffer.from(String(w)); return [`$${b.length}\r\n`, b, '\r\n']; }));
for (let i = 0; i < 30000; i++) send('SET', `decision:${i}`, 'v', 'EX', 50);
send('RPUSH', 'type:list', 'a'); send('SADD', 'type:set', 'a'); send('ZADD', 'type:zset', 1, 'a'); send('HSET', 'type:hash', 'a', 'b');
send('XADD', 'type:stream', '*', 'a', 'b'); send('SET', 'type:string', 'a'); send('SETBIT', 'type:bits', 7, 1); send('PFADD', 'type:hll', 'a');
send('SET', Buffer.alloc(1 << 20, 0x61), 'a name of one mebibyte');
send('SET', Buffer.concat([Buffer.alloc(1 << 20, 0xff), Buffer.from('|')]), 'another that is no text');
send('SET', '', 'empty'); send('SET', Buffer.from([0, 1, 2, 255]), 'binary'); send('SET', 'line\r\nbreak', 'x'); send('SET', '=HYPERLINK("x")', 'x');
send('SET', '<script>alert(1)</script>|', 'x'); send('SET', '*[?]\\', 'x');
process.stdout.write(Buffer.concat(out.map((p) => (Buffer.isBuffer(p) ? p : Buffer.from(p)))));
J
node "$WORK/fill.js" | redis_cli "$main" --pipe >/dev/null
redis_start "$replica" --replicaof 127.0.0.1 "$main"
wait_port "$replica"
for _ in $(seq 200); do redis_cli "$replica" INFO replication | grep -q 'master_link_status:up' && break; sleep 0.05; done

# The user of the README, word for word.
sed -n '/^```acl$/,/^```$/p' "$TOP/README.md" | grep '^ACL ' | sed 's/>\.\.\./>secret-pw/' >"$WORK/acl.txt"
check "the README has rules" [ "$(wc -l <"$WORK/acl.txt")" -eq 2 ]
while read -r rule; do
        # shellcheck disable=SC2086
        for port in $main $replica; do check "the README's rule is a rule" [ "$(redis_cli "$port" $rule </dev/null)" = OK ]; done
done <"$WORK/acl.txt"
printf 'secret-pw\n' >"$WORK/password"

look() { # look NAME SETTINGS [POLICY]: one run, its report in $json
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: cache, kind: redis, url: "redis://rounds@127.0.0.1:$main", password_file: $WORK/password, role: cache, key_classes: [{name: decision, match: "decision:*", ttl: 60s}]${2:+, }${2:-}}
policy: {RED-6: {quota: 500000, window: 1s}${3:+, }${3:-}}
jobs:
  nightly: {audits: [${AUDITS:-redis_keys}], report: {formats: [json, md, html], to: $WORK/$1}}
Y
        "$ROUNDS" run nightly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        status=$?
        json=$(ls "$WORK/$1"/nightly-*Z.json)
}

# Every audit of Redis there is, by that user, under MONITOR.
AUDITS=$("$ROUNDS" list audits 2>/dev/null | awk '$1 ~ /^redis_|^queues$|^dead_letters$/ {print $1}' | grep -v separation | paste -sd, -)
redis_watch "$main"
before=$(redis_cli "$main" INFO persistence | grep rdb_changes_since_last_save)
look all "queue_window: 1s"
sleep 0.2
check "audits ran: $AUDITS" grep -q redis_keys <<<"$AUDITS"
check "nothing was refused to the documented user" none '.reason=="denied"'
awk -F'"' 'NF > 1 {print tolower($2)}' "$WORK/monitor.txt" | sort -u | grep -v '^acl$' >"$WORK/sent.txt"
while read -r command; do
        flags=$(redis_cli "$main" COMMAND INFO "$command" | tr '\n' ' ')
        case $flags in *write*) echo "$command writes" ;; esac
done <"$WORK/sent.txt" >"$WORK/writing.txt"
check "commands were seen" [ "$(wc -l <"$WORK/sent.txt")" -gt 5 ]
check "no command that was sent writes" [ ! -s "$WORK/writing.txt" ]
check "and none that acts on the server" sh -c "! grep -xE 'debug|flushall|shutdown|save|bgsave|script|eval|evalsha|function|monitor|replicaof|publish' '$WORK/sent.txt'"
check "nothing changed" [ "$before" = "$(redis_cli "$main" INFO persistence | grep rdb_changes_since_last_save)" ]
check "all types are read" jq -e '[.inventory.key_classes[] | select(.match | startswith("type:")) | .keys] | add == 8' "$json"
check "hostile names do not break the scan" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^30000 keys,"))'
check "a report with such names is well-formed" sh -c "! grep -q '<script>alert' '$WORK'/all/nightly-*.html"
check "an oversized name is told as a size" has '.control=="RED-5" and .status=="fail" and (.resource.name|test("^a{100}"))'

AUDITS=redis_keys
look sample "scan_keys: 2000"
check "a sample says that it is one" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^[0-9]+ keys of a sample \\(up to"))'
seen=$(jq '[.inventory.key_classes[].keys] | add' "$json")
check "a sample stops soon after its number ($seen)" [ "$seen" -ge 2000 -a "$seen" -le 3100 ]
look policy "" "RED-1: {sample: 500}"
check "so does one that policy asks for" has '.resource.name=="decision" and (.observed|test("of a sample"))'

calls() { redis_cli "$1" INFO commandstats | sed -n 's/^cmdstat_pttl:calls=\([0-9]*\),.*/\1/p'; }
redis_cli "$main" CONFIG RESETSTAT >/dev/null
redis_cli "$replica" CONFIG RESETSTAT >/dev/null
look replica "read_from: replica"
check "a replica that is in step is scanned" [ "$(calls "$replica")" -ge 30000 ]
check "and its primary is not" [ -z "$(calls "$main")" ]
check "what it holds is the same" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^30000 keys,"))'
redis_cli "$replica" CONFIG SET masterauth nonsense >/dev/null
redis_cli "$replica" REPLICAOF 127.0.0.1 1 >/dev/null
look alone "read_from: replica"
check "where none is in step, the primary is" [ "$(calls "$main")" -ge 30000 ]

# 30,000 keys are 90,000 commands: at 30,000 a second 3 s, of which the target has two.
SECONDS=0
look cut "scan_rate: 30000, timeout: 2s"
check "the deadline ends a scan in time (${SECONDS} s)" [ "$SECONDS" -le 4 ]
check "and the part that was seen is told" has '.status=="error" and .reason=="timeout" and .control=="RED-1" and (.message|test("keys of 300[0-9]{2} \\([0-9]+ %\\)"))'
check "no oversized value in a part is no pass" none '.control=="RED-5" and .status=="pass"'
check "what was seen is judged as a sample" has '.resource.name=="decision" and (.observed|test("of a sample"))'

# Keys that vanish while the scan looks: expired and deleted by others, all the time.
cat >"$WORK/vanish.js" <<'J'
const net = require('net');
const s = net.connect(Number(process.argv[2]), '127.0.0.1');
s.on('data', () => {}); s.on('error', () => process.exit(0));
let n = 0;
const turn = () => { let t = ''; for (let i = 0; i < 200; i++, n = (n + 1) % 30000) t += `DEL decision:${n}\r\nSET brief:${n} v PX 3\r\n`; s.write(t); };
setInterval(turn, 1);
setTimeout(() => process.exit(0), 20000);
J
start node "$WORK/vanish.js" "$main"
vanisher=$LAST
look vanish "scan_rate: 100000"
check "keys that vanish are no errors" none '.status=="error" and .control=="RED-5"'

check "and the scan comes to its end" has '.control=="RED-5"'
kill "$vanisher"
wait "$vanisher" 2>/dev/null
finish
