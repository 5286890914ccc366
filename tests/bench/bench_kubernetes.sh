#!/bin/bash
# A cluster of 5,000 nodes and 150,000 pods, served by the fixture server from pages made beforehand: every audit of a cluster in one
# `rounds run` beside `kubectl get pods -A -o json | jq` over the same endpoint.  NODES and PODS make it smaller.
. "$(dirname "$0")/../integration/lib.sh"
. "$(dirname "$0")/../integration/lib_kubernetes.sh"
need node jq kubectl
NODES=${NODES:-5000} PODS=${PODS:-150000}
MEASURE=$TOP/$BUILD/tests/bench/measure

# kubectl and jq hold the whole list at once: some 140 KiB a pod.  Where that does not fit, both are held side by side on as many pods as
# do, and rounds alone on all.
fits=$(awk '/^MemAvailable/ { print int($2 / 2 / 140) }' /proc/meminfo)
PEER_PODS=${PEER_PODS:-$((fits < PODS ? fits : PODS))}

# serve PODS: a server (kubectl sends no token over plain HTTP), a configuration for it.
serve() {
        kubernetes_start --nodes "$NODES" --pods "$1" --prepared --token '' || exit 1
        cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds-$1.db
targets:
  - {name: large, kind: kubernetes, context: test, kubeconfig: [$KUBE_CONFIG]}
jobs:
  nodes: {audits: [nodes]}
  every: {audits: [hpa, keda, nodes, batch]}
Y
}
pages() { grep -c '^GET /api/v1/pods?' "$KUBE_LOG"; }
times() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a / b }'; }

serve "$PODS"
read -r ours our_memory < <("$MEASURE" "$WORK/out" "$ROUNDS" run nodes -c "$WORK/rounds.yaml" --quiet)
asked=$(pages)
page=$(curl -s -H 'Accept-Encoding: gzip' -o /dev/null -w '%{size_download}' "http://127.0.0.1:$KUBE_PORT/api/v1/pods?limit=500")
read -r every every_memory < <("$MEASURE" "$WORK/out" "$ROUNDS" run every -c "$WORK/rounds.yaml" --quiet)
printf '%d nodes, %d pods: %d pages, %d KiB on the wire\n' "$NODES" "$PODS" "$asked" $((asked * page / 1024))
printf 'rounds run (nodes)                  %7d ms %8d KiB resident\n' "$ours" "$our_memory"
printf 'rounds run (hpa, keda, nodes, batch)%7d ms %8d KiB resident\n' "$every" "$every_memory"
[ "$our_memory" -le 131072 ] && [ "$every_memory" -le 131072 ] || exit 1

if [ "$PEER_PODS" -lt "$PODS" ]; then
        stop_all
        serve "$PEER_PODS"
        read -r ours our_memory < <("$MEASURE" "$WORK/out" "$ROUNDS" run nodes -c "$WORK/rounds.yaml" --quiet)
        printf 'side by side on %d pods, since kubectl and jq would not fit:\n' "$PEER_PODS"
        printf 'rounds run (nodes)                  %7d ms %8d KiB resident\n' "$ours" "$our_memory"
fi
cat >"$WORK/peer.sh" <<P
kubectl --kubeconfig "$KUBE_CONFIG" --cache-dir "$WORK/cache" get pods -A -o json |
        jq '[.items[] | select(.status.phase == "Pending")] | length'
P
# kubectl keeps what it discovered: its second call is measured, and only when it gives the answer.
kubectl --kubeconfig "$KUBE_CONFIG" --cache-dir "$WORK/cache" get namespaces >/dev/null || exit 1
read -r theirs their_memory < <("$MEASURE" "$WORK/out" bash "$WORK/peer.sh")
[ "$(cat "$WORK/out")" = 0 ] || { echo "kubectl and jq give no answer:"; head -c 500 "$WORK/out"; exit 1; }
printf 'kubectl get pods -A -o json | jq    %7d ms %8d KiB resident (the larger of the two): %s times as long, %s times the memory\n' \
        "$theirs" "$their_memory" "$(times "$theirs" "$ours")" "$(times "$their_memory" "$our_memory")"
[ "$theirs" -ge $((3 * ours)) ] && [ "$their_memory" -ge $((10 * our_memory)) ]
