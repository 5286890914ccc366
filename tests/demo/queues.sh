# A Redis of BullMQ queues: one far behind, one paused, dead letters with a decision among them.  Sourced by tests/demo/run.
# shellcheck shell=bash disable=SC2034

# The same faults by hand, where npm's packages are not here: what BullMQ would have written.
queues_by_hand() {
        local i opts='{"attempts":3,"backoff":{"type":"exponential","delay":1000},"removeOnComplete":{"count":100}}' now
        now=$(date +%s)000
        for i in batch-jobs pipeline-jobs dsar-jobs retrain-jobs journey-jobs; do
                echo "HSET bull:$i:meta opts.maxLenEvents 10000 version bullmq:5.1.0"
                echo "HSET bull:$i:1 name job opts '$opts' data '{\"tenant\":\"acme\"}' timestamp $now processedOn $now finishedOn $now atm 1"
                echo "ZADD bull:$i:completed $now 1"
        done
        for i in $(seq 2 621); do
                echo "HSET bull:batch-jobs:$i name score-batch opts '$opts' data '{\"id\":$i}' timestamp $now"
                echo "LPUSH bull:batch-jobs:wait $i"
        done
        for i in $(seq 2 7); do
                echo "HSET bull:retrain-jobs:$i name retrain opts '{\"attempts\":10,\"backoff\":{\"type\":\"fixed\",\"delay\":100}}' data '{}' timestamp $now"
                echo "LPUSH bull:retrain-jobs:wait $i"
        done
        for i in $(seq 2 13); do
                echo "HSET bull:dsar-jobs:$i name $([ "$i" -eq 4 ] && echo decision-replay || echo export) opts '{\"attempts\":1}' data '{\"tenant\":\"acme\"}' timestamp $now processedOn $now finishedOn $now atm 1 failedReason \"connect ECONNREFUSED 10.0.0.$i:5432\""
                echo "ZADD bull:dsar-jobs:failed $now $i"
        done
        echo "HSET bull:journey-jobs:meta paused 1"
        for i in 2 3 4; do
                echo "HSET bull:journey-jobs:$i name step opts '$opts' data '{}' timestamp $now"
                echo "LPUSH bull:journey-jobs:paused $i"
        done
}

demo_queues() {
        local port i by=BullMQ letters=""
        port=$(demo_port queues)
        start "$(program redis-server)" --port "$port" --save "" --dir "$WORK" --maxmemory 64mb --maxmemory-policy noeviction
        wait_port "$port" 10 || return 1
        if [ -d "$NODE_PATH/bullmq" ] && [ -d "$NODE_PATH/ioredis" ] && program node >/dev/null; then
                timeout 30 node tests/integration/queues_bullmq.cjs "redis://127.0.0.1:$port" plant >>"$WORK/servers.log" 2>&1 || return 1
        else
                queues_by_hand | "$(program redis-cli)" -p "$port" >/dev/null
                by="hand, as BullMQ would"
        fi
        DEMO_SAYS="a queue far behind, one paused, endless retries, dead letters with a decision among them (planted by $by)"
        if [ "$1" = again ]; then
                # Mended: the backlog was worked off.  Planted: a list of dead letters that has grown.
                "$(program redis-cli)" -p "$port" DEL bull:batch-jobs:wait bull:batch-jobs:prioritized >/dev/null
                for ((i = 0; i < 140; i++)); do
                        echo "LPUSH dlq:mails '{\"topic\":\"mail\",\"error\":\"SMTP 451 from relay-$i\",\"retryCount\":$((i % 6)),\"failedAt\":\"$(date -u +%FT%TZ)\"}'"
                done | "$(program redis-cli)" -p "$port" >/dev/null
                letters="
      - {name: mails, kind: list, key: \"dlq:mails\"}"
                DEMO_SAYS="the backlog was worked off; mails die by the dozen now"
        fi
        TARGETS="$TARGETS
  - name: queue
    kind: redis
    url: redis://127.0.0.1:$port
    role: queue
    queue_window: 2s
    dead_letters:
      - {name: dsar-jobs, tenant: /tenant}
      - {name: batch-jobs}$letters"
}
