#!/bin/bash
# The cluster's rows from the recorded answers of a real API server: what they hold, that each list is asked for once, page by page, and
# what becomes of answers that are refused, late, cut, expired or absent.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq
PRINT=$TOP/$BUILD/tests/integration/cluster_print
out=$WORK/rows.json
rows() { jq -e "$1" "$out" >/dev/null || { jq -c 'del(.pods, .workloads)' "$out" | head -c 2000; return 1; }; }

kubernetes_start
check "the cluster is read" bash -c "'$PRINT' '$KUBE_CONFIG' >'$out'"
check "pods are counted" rows '.pods | length == 19'
check "a pod is its Deployment's" rows '[.pods[] | select(.owner_kind == "Deployment" and .owner == "kaireon-worker")] | length == 4'
check "a pod is its StatefulSet's" rows '.pods[] | select(.name == "kaireon-redis-0") | .owner_kind == "StatefulSet"'
check "a pod is its CronJob's" rows '[.pods[] | select(.owner_kind == "CronJob")] | length == 2'
check "quantities are numbers" rows '.pods[] | select(.name == "too-big") | .cpu == 64000 and .memory == 549755813888'
check "the scheduler's reason is kept" rows '.pods[] | select(.name == "too-big") | .unscheduled | test("Insufficient cpu")'
check "tolerations that every pod has are left out" rows '[.pods[] | select(.placement != "")] | length == 2'
check "nodes have zone, pool and room" rows '.nodes[3] | .zone == "eu-west-1a" and .pool == "m6i.2xlarge" and .cpu == 3920 and (.taints | test("dedicated"))'
check "workloads are found by name" rows '(.workloads | length == 8) and ([.workloads[].found] | all)'
check "init containers are told apart" rows '.workloads[] | select(.name == "kaireon-ml-worker") | .containers | map([.name, .role]) == [["warm-models", 1], ["main", 0]]'
check "autoscalers have their metrics" rows '[.autoscalers[] | .metrics[0].value] == [55, 70, 50, 60, 80] and .autoscaler_version == "v2"'
check "nothing failed" rows '.errors == {}'
check "each list is asked for once" kubernetes_asked /api/v1/pods 1
check "ReplicaSets too" kubernetes_asked /apis/apps/v1/replicasets 1
check "nothing but GET was sent" kubernetes_only_reads
check "no planted secret comes near" bash -c "! grep -q PLANTED '$out' && ! grep -q secrets '$KUBE_LOG'"

check "one namespace is listed by itself" bash -c "'$PRINT' '$KUBE_CONFIG' kaireon-staging >'$out'"
check "its pod alone" rows '.pods | length == 1'
check "with its own path" kubernetes_asked /api/v1/namespaces/kaireon-staging/pods 1

kubernetes_start --fault 'replicasets=403' --fault 'autoscaling/v2/horizontalpodautoscalers=404' --fault '/nodes=500' --fault 'limitranges=truncate:100' \
        --fault '/cronjobs=garbage' --fault 'poddisruptionbudgets=null-items'
check "lists that fail do not lose the others" bash -c "'$PRINT' '$KUBE_CONFIG' >'$out'"
check "owners are told from the template's hash" rows '[.pods[] | select(.owner_kind == "Deployment" and .owner == "kaireon-worker")] | length == 4'
check "a refused list names its rule" rows '.errors["1"] | .reason == "denied" and (.remedy | test("replicasets"))'
check "a failing server" rows '.errors["4"].reason == "unreachable"'
check "a cut answer" rows '.errors["10"].reason | IN("protocol", "unreachable")'
check "an answer that is no JSON" rows '.errors["3"].reason == "protocol"'
check "null items are none" rows '.budgets == 0 and .errors["11"] == null'

kubernetes_start --nodes 20 --pods 1750 --fault 'pods.*continue=410*1' --fault 'pods=429*1'
check "pages are read on after their token expired, and when told to slow down" bash -c "'$PRINT' '$KUBE_CONFIG' >'$out'"
check "every pod once" rows '(.pods | length == 1750) and ([.pods[].name] | unique | length == 1750)'
check "in order" rows '[.pods[] | .namespace + "/" + .name] | . == sort'

kubernetes_start --token other
check "a token that is not accepted" bash -c "'$PRINT' '$KUBE_CONFIG' >'$out'"
check "is said for every list" rows '(.errors | length == 13) and ([.errors[] | .reason == "denied" and (.remedy | test("renew"))] | all)'

kill "$LAST" && wait "$LAST"
check "a server that is gone is an error" bash -c "! '$PRINT' '$KUBE_CONFIG' >'$out' 2>'$WORK/err.txt'"
check "that says so" grep -q '^unreachable: ' "$WORK/err.txt"
finish
