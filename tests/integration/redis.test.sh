#!/bin/bash
# Redis audits on real servers: key classes, discovered patterns, memory, eviction, TLS, ACL user, cluster; and nothing written.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
need redis-server redis-cli jq openssl

server=$(program redis-server)
PORT=$(free_port)
redis_start "$PORT" --maxmemory 200mb --maxmemory-policy allkeys-lru
wait_port "$PORT"
{
        for i in $(seq 2000); do echo "SET decision:$i:$RANDOM v PX 50000"; done
        for i in $(seq 500); do echo "SET session:$i:abc v EX 90000"; done
        for i in $(seq 300); do echo "SET enrich:t$i:c$((i * 7)):loan v"; done
        for i in $(seq 100); do echo "SET t:acme:policies:$i v EX 300"; done
        for i in $(seq 200); do echo "SET feature:$i v EX 100"; done
        echo "HSET \"<script>|evil\" a b"
        echo "SET \"\\x00\\xff\\xfebinary\" x"
        echo "SET \"\" empty"
        echo "SET big $(head -c 1500000 /dev/zero | tr '\0' x)"
} | redis_cli "$PORT" >/dev/null
redis_cli "$PORT" ACL SETUSER rounds on ">pw rounds" "~*" +@connection +info +scan +pttl +type "+memory|usage" "+config|get" >/dev/null
printf 'pw rounds\n' >"$WORK/password"

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - name: cache
    kind: redis
    url: redis://rounds@127.0.0.1:$PORT
    password_file: $WORK/password
    role: cache
    owner: platform
    key_classes:
      - {name: decision, match: "decision:*", ttl: 60s}
      - {name: session, match: "session:*"}
      - {name: feature, match: "feature:*"}
      - {name: score, match: "score:*", ttl: 30s}
      - {name: enrich, match: "enrich:*", ttl: 60s}
jobs:
  nightly: {audits: [redis_keys, redis_memory], report: {formats: [json, md], to: $WORK/reports}}
Y
redis_watch "$PORT"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
sleep 0.2
json=$(ls "$WORK"/reports/nightly-*Z.json)
check "findings are exit status 2 or 1" [ "$status" -eq 2 ]
check "a class that keeps its bound passes" has '.status=="pass" and .resource.name=="decision"'
check "a class over the policy's bound fails" has '.status=="fail" and .resource.name=="session" and (.observed|test("1 d 1 h|25 h|1 d"))'
check "a class that never expires fails, with an example" has '.status=="fail" and .control=="RED-1" and .resource.name=="enrich" and (.observed|test("300 of 300")) and (.observed|test("enrich:t"))'
check "an empty class is an error, not a pass" has '.status=="error" and .resource.name=="score"'
check "eviction of the wrong keys is found" has '.control=="RED-2" and .status=="fail" and (.observed|test("allkeys-lru"))'
check "the oversized value is named" has '.control=="RED-5" and .status=="fail" and .resource.name=="big"'
check "memory in use passes" has '.control=="RED-3" and .status=="pass" and .resource.kind=="server"'
check "a pattern is discovered" jq -e '[.inventory.key_classes[] | select(.match=="t:acme:policies:<id>")] | length == 1' "$json"
check "keys of hostile names fall into one pattern" jq -e '[.inventory.key_classes[] | select(.match=="<id>" and .keys==3)] | length == 1' "$json"
check "the password is nowhere" sh -c "! grep -rq 'pw rounds' '$WORK/reports' '$WORK/out.txt'"
redis_commands >"$WORK/commands.txt"
check "commands were seen" grep -qx SCAN "$WORK/commands.txt"
check "nothing but reading was sent" \
        sh -c "! grep -vxE 'AUTH|CLIENT|INFO|CONFIG|SELECT|SCAN|PTTL|TYPE|MEMORY' '$WORK/commands.txt'"

# A user without the rights: errors that name them.
redis_cli "$PORT" ACL SETUSER poor on ">pw rounds" "~*" +@connection +info >/dev/null
sed "s/rounds@127/poor@127/" "$WORK/rounds.yaml" >"$WORK/poor.yaml"
"$ROUNDS" run nightly -c "$WORK/poor.yaml" --no-report >"$WORK/out.txt" 2>&1
check "a user without rights is not assessed" [ $? -eq 2 ]
"$ROUNDS" check -c "$WORK/poor.yaml" >"$WORK/check.txt" 2>&1
check "rounds check names the ACL rule" grep -q 'ACL SETUSER rounds' "$WORK/check.txt"

# TLS with a client certificate.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$WORK/key.pem" -out "$WORK/cert.pem" -days 3 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
TLS=$(free_port)
start "$server" --port 0 --tls-port "$TLS" --tls-cert-file "$WORK/cert.pem" --tls-key-file "$WORK/key.pem" --tls-ca-cert-file "$WORK/cert.pem" \
        --save "" --dir "$WORK"
wait_port "$TLS"
cat >"$WORK/tls.yaml" <<Y
version: 1
store: sqlite:$WORK/tls.db
targets:
  - {name: queue, kind: redis, url: "rediss://localhost:$TLS", role: queue, ca_file: cert.pem, certificate_file: cert.pem, key_file: key.pem}
  - {name: nocert, kind: redis, url: "rediss://localhost:$TLS", role: queue, ca_file: cert.pem}
  - {name: untrusted, kind: redis, url: "rediss://localhost:$TLS", role: queue}
Y
"$ROUNDS" check -c "$WORK/tls.yaml" >"$WORK/check.txt" 2>&1
check "TLS with a client certificate connects" grep -q '^queue (redis): Redis 7' "$WORK/check.txt"
check "an untrusted certificate is told" grep -qE '^untrusted \(redis\): tls' "$WORK/check.txt"
check "a missing client certificate is told" grep -qE '^nocert \(redis\): (tls|unreachable)' "$WORK/check.txt"

# A cluster of three.
C1=$(free_port) C2=$(free_port) C3=$(free_port)
redis_cluster "$C1" "$C2" "$C3"
for i in $(seq 300); do echo "SET decision:$i v EX 30"; done | redis_cli "$C1" -c >/dev/null
cat >"$WORK/cluster.yaml" <<Y
version: 1
store: sqlite:$WORK/cluster.db
targets:
  - {name: cluster, kind: redis, url: "redis://127.0.0.1:$C1", key_classes: [{name: decision, match: "decision:*", ttl: 60s}]}
jobs:
  nightly: {audits: [redis_keys], report: {formats: [json], to: $WORK/cluster}}
Y
"$ROUNDS" run nightly -c "$WORK/cluster.yaml" >/dev/null 2>&1
json=$(ls "$WORK"/cluster/nightly-*Z.json)
check "every primary of a cluster is scanned" has '.resource.name=="decision" and .status=="pass" and (.observed|test("^300 keys"))'

# Not Redis at all.
LIAR=$(free_port)
start node -e "require('net').createServer(c => c.on('data', () => c.end('HTTP/1.1 400 Bad Request\r\n\r\n')).on('error', () => {})).listen($LIAR, '127.0.0.1')"
wait_port "$LIAR"
sed "s/127.0.0.1:$C1/127.0.0.1:$LIAR/" "$WORK/cluster.yaml" >"$WORK/liar.yaml"
"$ROUNDS" check -c "$WORK/liar.yaml" >"$WORK/check.txt" 2>&1
check "what is no Redis is said to be none" grep -q 'protocol.*this is not Redis' "$WORK/check.txt"
finish
