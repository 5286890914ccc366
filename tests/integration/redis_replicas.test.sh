#!/bin/bash
# A cluster of three primaries with a replica each, scanned at the replicas: every key once, no primary troubled; a replica that is
# dead, out of step, frozen or out of reach leaves its shard to the primary, and a primary that hangs costs its own shard alone.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_redis.sh"
need redis-server redis-cli jq node sqlite3 zstd

PORTS=()
declare -A PROCESS
node_start() { # node_start PORT
        redis_start "$1" --cluster-enabled yes --cluster-port $(($1 + 1)) \
                --cluster-node-timeout 2000 --cluster-replica-no-failover yes --cluster-require-full-coverage no --repl-diskless-sync-delay 0
        PROCESS[$1]=$LAST
}
for i in 1 2 3 4 5 6; do
        PORTS+=("$(free_port)")
        node_start "${PORTS[i - 1]}"
done
for port in "${PORTS[@]}"; do wait_port "$port"; done
"$(program redis-cli)" --cluster create "${PORTS[@]/#/127.0.0.1:}" --cluster-replicas 1 --cluster-yes >"$WORK/create.txt" 2>&1
replication() { redis_cli "$1" INFO replication | tr -d '\r' | sed -n "s/^$2:\\(.*\\)/\\1/p"; }
until_is() { # until_is WORD COMMAND...: for at most 20 s, until the command prints it
        local word=$1 i
        shift
        for ((i = 0; i < 400; i++)); do
                [ "$("$@" 2>/dev/null)" = "$word" ] && return 0
                sleep 0.05
        done
        return 1
}
PRIMARIES=("${PORTS[@]:0:3}") REPLICAS=()
cluster_state() { redis_cli "$1" CLUSTER INFO | tr -d '\r' | sed -n 's/^cluster_state://p'; }
for port in "${PORTS[@]}"; do check "the node on $port is in" until_is ok cluster_state "$port"; done
online() { redis_cli "$1" INFO replication | grep -c '^slave0:.*state=online'; }
for port in "${PRIMARIES[@]}"; do
        check "the primary on $port has its replica" until_is 1 online "$port"
        REPLICAS+=("$(redis_cli "$port" INFO replication | sed -n 's/^slave0:.*port=\([0-9]*\),.*/\1/p')")
done
for i in $(seq 3000); do echo "SET decision:$i v EX 3000"; done | redis_cli "${PRIMARIES[0]}" -c >/dev/null
there() { for port in "$@"; do redis_cli "$port" DBSIZE; done | awk '{all += $1} END {print all}'; }
check "3000 keys are in the cluster" until_is 3000 there "${PRIMARIES[@]}"
check "and at the replicas" until_is 3000 there "${REPLICAS[@]}"

look() { # look NAME [SETTINGS]: one run, its report in $json, its facts in $facts
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: cache, kind: redis, url: "redis://127.0.0.1:${PRIMARIES[0]}", role: cache, timeout: 8s, read_from: replica, key_classes: [{name: decision, match: "decision:*", ttl: 1h}]${2:+, }${2:-}}
jobs:
  nightly: {audits: [redis_keys], report: {formats: [json], to: $WORK/$1}}
Y
        for port in "${PORTS[@]}"; do [ "${FROZEN:-}" = "$port" ] || redis_cli "$port" CONFIG RESETSTAT >/dev/null 2>&1; done
        SECONDS=0
        "$ROUNDS" run nightly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        json=$(ls "$WORK/$1"/nightly-*Z.json)
        facts=$WORK/$1.facts
        facts_of "$WORK/$1.db" >"$facts"
}
told() { jq -se "map(select(.keyspace)) | first | $1" "$facts" >/dev/null; }
scans() { # scans PORT: SCAN commands that it was sent
        local calls
        calls=$(redis_cli "$1" INFO commandstats | sed -n 's/^cmdstat_scan:calls=\([0-9]*\),.*/\1/p')
        echo "${calls:-0}"
}
asked() { # asked PORT: times to live that it was asked for
        local calls
        calls=$(redis_cli "$1" INFO commandstats | sed -n 's/^cmdstat_pttl:calls=\([0-9]*\),.*/\1/p')
        echo "${calls:-0}"
}
# The shard whose replica is in trouble is the second; the others stay with theirs.
sick=${REPLICAS[1]} its_primary=${PRIMARIES[1]}
everything() { # everything WHERE...: all keys were seen once each, at these servers and nowhere else
        local port count=0 expected
        for port in "${PORTS[@]}"; do
                [ "${FROZEN:-}" = "$port" ] && continue
                case " $* " in
                *" $port "*)
                        expected=$(redis_cli "$port" DBSIZE)
                        [ "$(scans "$port")" -ge 1 ] && [ "$(asked "$port")" -eq "$expected" ] ||
                                { echo "$port: $(scans "$port") SCAN, $(asked "$port") PTTL, $expected keys"; return 1; }
                        count=$((count + expected))
                        ;;
                *) [ "$(scans "$port")" -eq 0 ] && [ "$(asked "$port")" -eq 0 ] || { echo "$port was scanned"; return 1; } ;;
                esac
        done
        [ "$count" -eq 3000 ] || { echo "$count keys"; return 1; }
        has '.resource.name=="decision" and .control=="RED-1" and .status=="pass" and (.observed|test("^3000 keys,"))' &&
                told '[.servers[].scan | .seen] | add == 3000'
}

look whole
check "three replicas are scanned, every key once, and no primary" everything "${REPLICAS[@]}"
check "the facts say where" told '[.servers[] | .replication] == ["slave","slave","slave"]'

# Dead.
kill -9 "${PROCESS[$sick]}"
wait "${PROCESS[$sick]}" 2>/dev/null
FROZEN=$sick look dead
FROZEN=$sick check "a dead replica leaves its shard to the primary" everything "${REPLICAS[0]}" "$its_primary" "${REPLICAS[2]}"
check "which is no error" none '.control=="RED-1" and .status=="error"'
node_start "$sick"
wait_port "$sick"
check "the replica comes back" until_is 1 online "$its_primary"
look back
check "and is scanned again" everything "${REPLICAS[@]}"

# Out of step: it cannot follow its primary any more, and answers what it was told before.
redis_cli "$sick" CONFIG SET masterauth nonsense >/dev/null
redis_cli "$its_primary" CLIENT KILL TYPE replica >/dev/null
check "the replica has lost its primary" until_is down replication "$sick" master_link_status
look behind
check "a replica out of step leaves its shard to the primary" everything "${REPLICAS[0]}" "$its_primary" "${REPLICAS[2]}"
redis_cli "$sick" CONFIG SET masterauth "" >/dev/null
check "the replica is in step again" until_is 1 online "$its_primary"

# Frozen: for ten seconds its primary takes it for online.
kill -STOP "${PROCESS[$sick]}"
FROZEN=$sick look frozen
check "a frozen replica costs no more than a part of the time (${SECONDS} s)" [ "$SECONDS" -le 6 ]
FROZEN=$sick check "and leaves its shard to the primary" everything "${REPLICAS[0]}" "$its_primary" "${REPLICAS[2]}"
kill -CONT "${PROCESS[$sick]}"
check "the replica thaws" until_is 1 online "$its_primary"

# Out of reach: announced by an address that answers nothing, like one behind another network's wall.
hole=$(free_port)
start node -e "require('net').createServer(() => {}).listen({port: $hole, host: '127.0.0.1', backlog: 1})"
wall=$LAST
wait_port "$hole"
kill -STOP "$wall"
for _ in 1 2 3 4; do
        (exec 3<>"/dev/tcp/127.0.0.1/$hole" && exec sleep 60) 2>/dev/null &
        PIDS+=($!)
done
redis_cli "$sick" CONFIG SET replica-announce-port "$hole" >/dev/null
redis_cli "$its_primary" CLIENT KILL TYPE replica >/dev/null
announced() { redis_cli "$1" INFO replication | sed -n 's/^slave0:.*port=\([0-9]*\),state=online.*/\1/p'; }
check "the replica is announced elsewhere" until_is "$hole" announced "$its_primary"
look walled
check "a replica out of reach costs no more than a part of the time (${SECONDS} s)" [ "$SECONDS" -le 6 ]
check "and leaves its shard to the primary" everything "${REPLICAS[0]}" "$its_primary" "${REPLICAS[2]}"
kill -KILL "$wall"
wait "$wall" 2>/dev/null

# A primary that hangs: its shard is told, the others are seen.
kill -STOP "${PROCESS[$its_primary]}"
FROZEN=$its_primary look hung
check "a primary that hangs costs no more than a part of the time (${SECONDS} s)" [ "$SECONDS" -le 7 ]
check "its shard is told as not assessed" has ".control==\"RED-1\" and .status==\"error\" and .reason==\"timeout\" and .resource.name==\"127.0.0.1:$its_primary\""
others=$(($(redis_cli "${REPLICAS[0]}" DBSIZE) + $(redis_cli "${REPLICAS[2]}" DBSIZE)))
check "the other two are scanned ($others keys)" told ".keyspace.keys == $others"
kill -CONT "${PROCESS[$its_primary]}"
finish
