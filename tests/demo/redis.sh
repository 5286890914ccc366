# A Redis used as cache and queue at once, on a metered plan that somebody polls away.  Sourced by tests/demo/run.
# shellcheck shell=bash disable=SC2034

demo_redis() {
        local port i
        port=$(demo_port redis)
        start "$(program redis-server)" --port "$port" --save "" --dir "$WORK" --maxmemory 64mb --maxmemory-policy allkeys-lru
        wait_port "$port" 10 || return 1
        {
                for i in $(seq 3000); do echo "SET decision:$i v PX 50000"; done
                for i in $(seq 800); do echo "SET enrich:acme:c$((i * 7)):loan v"; done
                for i in $(seq 200); do echo "SET t:acme:policies:$i v EX 300"; done
                for i in $(seq 120); do echo "RPUSH bull:batch-jobs:wait $i"; done
                [ "$1" = first ] && echo "SET model:snapshot $(head -c 1500000 /dev/zero | tr '\0' x)"
        } | "$(program redis-cli)" -p "$port" >/dev/null
        # A worker that asks an empty queue twenty times a second: some 50 million commands a month.
        start "$(program redis-cli)" -p "$port" -r -1 -i 0.05 LLEN bull:mail-jobs:wait
        POLICY="$POLICY
  RED-6: {quota: 500000, window: 2s}"
        DEMO_SAYS="a cache that evicts the wrong keys, keys that never expire, an oversized value, a queue beside the cache, a poller"
        [ "$1" = again ] && DEMO_SAYS="the oversized value is gone"
        TARGETS="$TARGETS
  - name: cache
    kind: redis
    url: redis://127.0.0.1:$port
    role: cache
    key_classes:
      - {name: decision, match: \"decision:*\", ttl: 60s}
      - {name: enrich, match: \"enrich:*\", ttl: 60s}"
}
