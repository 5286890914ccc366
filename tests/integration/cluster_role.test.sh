#!/bin/bash
# The shipped ClusterRole is what the audits declare; what they ask of a cluster is in it, and what is in it they ask for.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need jq node
BASE=$TOP/schedules/kubernetes/base
role=$WORK/role.yaml
quiet() { "$@" >/dev/null; }

"$ROUNDS" list audits --rbac >"$role"
check "the shipped file is the program's (else: rounds list audits --rbac >schedules/kubernetes/base/clusterrole.yaml)" diff "$BASE/clusterrole.yaml" "$role"
check "--rbac goes with audits alone" bash -c "! '$ROUNDS' list controls --rbac 2>/dev/null"
check "every audit of a cluster declares its rights" [ -z "$("$ROUNDS" list audits --json | jq -r '.[] | select(."looks at" | test("\\bkubernetes\\b")) | select(.needs | startswith("RBAC: ") | not) | select(."looks at" == "kubernetes") | .audit')" ]
check "it reads and does nothing else" bash -c "! grep 'verbs:' '$role' | grep -vE '^    verbs: \[(get|list)\]$'"
check "nothing is everything" bash -c "! grep -F '*' '$role'"
check "Secrets stand apart, by themselves" [ "$(sed -n '/^---$/,$p' "$role" | grep -c '^      - ')" -eq 1 ]
check "and nowhere else" [ "$(grep -c '^      - secrets$' "$role")" -eq 1 ]
for file in clusterrole clusterrolebinding secrets; do check "kustomize takes $file.yaml" grep -q "^  - $file.yaml$" "$BASE/kustomization.yaml"; done

# rules as "verb group resource", the core group as "-"
awk '/apiGroups:/ { gsub(/[^a-z0-9.-]/, "", $3); group = $3 == "" ? "-" : $3 } /verbs:/ { gsub(/[][]/, "", $2); verb = $2 } /^      - / { print verb, group, $2 }' "$role" | sort >"$WORK/rules"
check "there are rules" [ "$(wc -l <"$WORK/rules")" -gt 20 ]

# Every definition is served, with nothing in it, in whatever version is asked for.
F=$WORK/objects
mkdir -p "$F"
while read -r verb group resource; do
        [ "$verb" = list ] && [ "$group" != - ] || continue
        for version in v1 v1beta1 v1alpha1 v1alpha2; do
                [ -e "$KUBERNETES/recorded/$group-$version-$resource.txt" ] && continue 2
        done
        for version in v1 v1beta1 v1alpha1 v1alpha2; do
                echo "{\"kind\": \"List\", \"apiVersion\": \"$group/$version\", \"metadata\": {}, \"items\": []}" >"$F/$group-$version-$resource.json"
        done
done <"$WORK/rules"
kubernetes_start --objects "$F" || exit 1
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: prod, kind: kubernetes, kubeconfig: [$KUBE_CONFIG], context: test}
  # Rules of alerts that stand in the cluster.
  - {name: metrics, kind: prometheus, rules_of: [prod]}
jobs: {weekly: {audits: all, report: {formats: [json], to: $WORK/reports}}}
Y
"$ROUNDS" run weekly -c "$WORK/rounds.yaml" >"$WORK/run.txt" 2>&1
check "nothing but GET was sent" kubernetes_only_reads
# GET /api/v1/pods?..., /apis/G/V/R?..., each with namespaces/N before the resource; a name after it is a get.  Discovery and the
# version are open to everybody who is signed in.
sed -nE 's/^GET ([^? ]*).*/\1/p' "$KUBE_LOG" | sort -u | awk -F/ '
        $2 == "api" { group = "-"; at = 4 } $2 == "apis" { group = $3; at = 5 }
        ($2 != "api" && $2 != "apis") || NF < at { next }
        { if ($at == "namespaces" && NF > at + 1) at += 2
          resource = $at; verb = NF > at ? "get" : "list"
          if (NF > at + 1) resource = resource "/" $(at + 2)
          print verb, group, resource }' | sort -u >"$WORK/asked"
check "the cluster was asked" [ "$(wc -l <"$WORK/asked")" -gt 20 ]
beyond=$(comm -13 "$WORK/rules" "$WORK/asked" | tr '\n' ';')
check "nothing beyond the rules was asked for: ${beyond:-nothing}" [ -z "$beyond" ]
idle=$(comm -23 "$WORK/rules" "$WORK/asked" | grep '^list ' | tr '\n' ';')
check "no rule is idle: ${idle:-none}" [ -z "$idle" ]

# --- Secrets left out
kubernetes_start --objects "$F" --fault '/api/v1/secrets=403' || exit 1
sed -i "s|kubeconfig: \[[^]]*\]|kubeconfig: [$KUBE_CONFIG]|" "$WORK/rounds.yaml"
"$ROUNDS" run weekly -c "$WORK/rounds.yaml" --audits cert_manager,cluster_certificates >"$WORK/run.txt" 2>&1
json=$(find "$WORK/reports" -name 'weekly-*Z.json' | sort | tail -1)
for control in CRT-1 CRT-2 CRT-3 CRT-4 CRT-6; do
        check "without Secrets $control is an error that names the rule" quiet jq -e --arg c $control '[.findings[] | select(.control == $c and .status == "error" and .reason == "denied" and
                (.remedy | contains("resources: [\"secrets\"], verbs: [\"list\"]")))] | length >= 1' "$json"
done
"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
check "rounds check says so beforehand" grep -q 'secrets' "$WORK/check.txt"
finish
