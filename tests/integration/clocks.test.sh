#!/bin/bash
# Clocks: a real chrony as reference, real PostgreSQL and Redis in step with it, time servers that are shifted, mute, unsynchronised or no
# time servers, an HTTP service with a shifted Date, a node's timex in a real Prometheus.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
. "$(dirname "$0")/lib_postgres.sh"
need chronyd redis-server postgres node jq curl prometheus

CHRONY=$(free_port)
mkdir -p "$WORK/chrony"
cat >"$WORK/chrony.conf" <<C
local stratum 8
allow 127.0.0.1
bindaddress 127.0.0.1
port $CHRONY
cmdport 0
pidfile $WORK/chrony/pid
C
# -x: its clock is never set.
start "$(program chronyd)" -x -d -u "$(id -un)" -f "$WORK/chrony.conf"
REDIS=$(free_port)
redis_start "$REDIS"
postgres_start main || exit 1

# Small time servers of every bad kind, an HTTP service half a minute behind, and a page for Prometheus to scrape.
cat >"$WORK/peers.js" <<'J'
const dgram = require('dgram'), http = require('http');
function stamp(ms, packet, at) {
        packet.writeUInt32BE(Math.floor(ms / 1000) + 2208988800, at);
        packet.writeUInt32BE(Math.floor((ms % 1000) * 4294967.296), at + 4);
}
function serve(name, change, shift) {
        const socket = dgram.createSocket('udp4');
        socket.on('message', (question, from) => {
                const packet = Buffer.alloc(48);
                packet[0] = 0x24; packet[1] = 3;
                question.copy(packet, 24, 40, 48);
                stamp(Date.now() + shift, packet, 32);
                stamp(Date.now() + shift, packet, 40);
                const answer = change(packet);
                if (answer) socket.send(answer, from.port, from.address);
        });
        socket.bind(0, '127.0.0.1', () => console.log(`${name}=${socket.address().port}`));
}
serve('ahead', p => p, 7000);
serve('near', p => p, 2);
serve('mute', () => null, 0);
serve('unsynchronised', p => { p[0] |= 0xc0; return p; }, 0);
serve('kiss', p => { p[1] = 0; p.write('DENY', 12); return p; }, 0);
serve('echo', () => Buffer.from('HTTP/1.1 400 Bad Request'), 0);
const late = http.createServer((q, a) => { a.sendDate = false; a.setHeader('Date', new Date(Date.now() - 30000).toUTCString()); a.end('ok'); });
late.listen(0, '127.0.0.1', () => console.log(`late=${late.address().port}`));
const dateless = http.createServer((q, a) => { a.sendDate = false; a.end('ok'); });
dateless.listen(0, '127.0.0.1', () => console.log(`dateless=${dateless.address().port}`));
const node = http.createServer((q, a) => a.setHeader('Content-Type', 'text/plain') && a.end(`node_timex_sync_status ${q.url === '/free' ? 0 : 1}\nnode_timex_offset_seconds 0.0001\nnode_timex_maxerror_seconds 0.02\n`));
node.listen(0, '127.0.0.1', () => console.log(`node=${node.address().port}`));
J
start node "$WORK/peers.js"
port() { sed -n "s/^$1=//p" "$WORK/servers.log"; }
for _ in $(seq 100); do [ -n "$(port node)" ] && [ -n "$(port echo)" ] && break; sleep 0.1; done

PROM=$(free_port)
cat >"$WORK/prometheus.yml" <<Y
global: {scrape_interval: 1s}
scrape_configs:
  - {job_name: good, static_configs: [{targets: ["127.0.0.1:$(port node)"], labels: {instance: good-node}}]}
  - {job_name: free, metrics_path: /free, static_configs: [{targets: ["127.0.0.1:$(port node)"], labels: {instance: free-node}}]}
Y
start "$(program prometheus)" --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --web.listen-address="127.0.0.1:$PROM"
wait_port "$PROM" && wait_port "$REDIS"
for _ in $(seq 100); do
        curl -s "http://127.0.0.1:$PROM/api/v1/query?query=node_timex_sync_status" | jq -e '.data.result | length == 2' >/dev/null && break
        sleep 0.2
done

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: time, kind: ntp, servers: ["127.0.0.1:$CHRONY", "127.0.0.1:$(port near)", "127.0.0.1:$(port ahead)"]}
  - {name: bad-time, kind: ntp, servers: ["127.0.0.1:$(port mute)", "127.0.0.1:$(port unsynchronised)", "127.0.0.1:$(port kiss)", "127.0.0.1:$(port echo)", "127.0.0.1:1"]}
  - {name: cache, kind: redis, url: "redis://127.0.0.1:$REDIS", role: cache}
  - {name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT user=postgres dbname=postgres"}
  - {name: late, kind: http, url: "http://127.0.0.1:$(port late)/"}
  - {name: dateless, kind: http, url: "http://127.0.0.1:$(port dateless)/"}
  - {name: metrics, kind: prometheus, url: "http://127.0.0.1:$PROM"}
jobs: {nightly: {audits: [clocks], report: {formats: [json, md], to: $WORK/reports}}}
Y
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
check "chrony is in step" has_one '.target=="time" and .status=="pass" and .resource.name=="127.0.0.1:'"$CHRONY"'"'
check "a time server 7 s ahead of the others is found" has_one '.target=="time" and .status=="fail" and .resource.kind=="time server" and (.observed|test("^(6[89]|70)[0-9][0-9] ms ahead"))'
check "the auditor's own clock is judged" has_one '.target=="time" and .status=="pass" and .resource.name=="auditor" and (.observed|test("2 of 3 time servers"))'
check "a mute server is a timeout" has_one '.target=="bad-time" and .status=="error" and .reason=="timeout" and .resource.name=="127.0.0.1:'"$(port mute)"'"'
check "an unsynchronised server is told" has_one '.target=="bad-time" and .status=="error" and (.message|test("not synchronised itself"))'
check "a refusal is told" has_one '.target=="bad-time" and .status=="error" and (.message|test("DENY"))'
check "nothing listens there" has_one '.target=="bad-time" and .status=="error" and .reason=="unreachable" and (.message|test("refused"))'
check "no time server: the auditor is not passed" has_one '.target=="bad-time" and .status=="error" and .resource.name=="auditor"'
check "Redis is in step" has_one '.target=="cache" and .status=="pass" and (.observed|test("Redis TIME, against time"))'
check "PostgreSQL is in step" has_one '.target=="db" and .status=="pass"'
check "an HTTP service half a minute behind is found" has_one '.target=="late" and .status=="fail" and (.observed|test("(29|30) s behind"))'
check "an answer without Date is an error" has_one '.target=="dateless" and .status=="error" and .reason=="unsupported"'
check "Prometheus itself is in step" has_one '.target=="metrics" and .status=="pass" and .resource.name=="Prometheus"'
check "a node in step by its own kernel" has_one '.target=="metrics" and .status=="pass" and .resource.name=="good-node"'
check "a node whose clock runs free is found" has_one '.target=="metrics" and .status=="fail" and .resource.name=="free-node"'
finish
