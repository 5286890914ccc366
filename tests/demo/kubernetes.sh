# The platform's cluster: what a real API server answered for it, with its faults planted (tests/fixtures/kubernetes).  Sourced by
# tests/demo/run.
# shellcheck shell=bash disable=SC2034

demo_kubernetes() {
        local port i objects=$WORK/kubernetes answers=$TOP/tests/fixtures/kubernetes/recorded
        command -v node >/dev/null && command -v jq >/dev/null || return 1
        port=$(demo_port kubernetes)
        mkdir -p "$objects"
        if [ "$1" = again ]; then
                # The autoscaler was mended, and its metrics came back; a batch job was moved into the peak.
                sed '1,/^\r*$/d' "$answers/autoscaling-v2-horizontalpodautoscalers.txt" |
                        jq '(.items[] | select(.metadata.name == "kaireon-api-hpa")) |= (.spec.metrics[0].resource.target.averageUtilization = 60
                                | .status.conditions[].status = "True")' \
                                >"$objects/autoscaling-v2-horizontalpodautoscalers.json"
                sed '1,/^\r*$/d' "$answers/batch-v1-cronjobs.txt" |
                        jq '(.items[] | select(.metadata.name == "cleanup") | .spec.schedule) = "30 14 * * *"' >"$objects/batch-v1-cronjobs.json"
        fi
        start node "$TOP/tests/fixtures/kubernetes/server.mjs" --port "$port" --now --token kube-token-for-tests --objects "$objects"
        wait_port "$port" 20 || return 1
        cat >"$DEMO/kubeconfig" <<Y
apiVersion: v1
kind: Config
current-context: prod
clusters: [{name: prod, cluster: {server: "http://127.0.0.1:$port"}}]
users: [{name: prod, user: {token: kube-token-for-tests}}]
contexts: [{name: prod, context: {cluster: prod, user: prod}}]
Y
        DEMO_SAYS="an HPA at 70, one without a target, scalers of KEDA that are late, paused or fight, two queues without one, a node under \
disk pressure, an evicted pod, a batch job in the peak, budgets that block, overlap or select nothing, unbounded containers, a DSN that waits \
too long, a claim that cannot grow, a container killed for its memory"
        [ "$1" = again ] && DEMO_SAYS="the HPA aims at 60 now and gets its metrics, and the purge starts in the peak"
        TARGETS="$TARGETS
  - {name: prod, kind: kubernetes, context: prod, kubeconfig: [$DEMO/kubeconfig], exclude_namespaces: [openshift-*, kube-*]}"
}
