#!/bin/bash
# The recorded answers fit the schemas that Kubernetes, KEDA, cert-manager and Argo Rollouts publish; an object that does not is
# found.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq
need_npm kubernetes-models @kubernetes-models/keda @kubernetes-models/cert-manager @kubernetes-models/argo-rollouts

check "the recorded answers are valid" kubernetes_valid "$KUBERNETES/recorded"
check "and they are many" [ "$(sed -nE 's/^([0-9]+) valid, .*/\1/p' "$WORK/valid.txt")" -gt 200 ]
for kind in cert-manager.io/v1/Certificate keda.sh/v1alpha1/ScaledObject argoproj.io/v1alpha1/Rollout autoscaling/v2/HorizontalPodAutoscaler v1/Secret; do
        check "a schema of $kind is there" bash -c "! grep -q 'no published schema: ${kind%/*} ${kind##*/}' '$WORK/valid.txt'"
done

# One wrong thing at a time: each must be found, or the others prove nothing.
wrong() { # NAME RECORDED JQ
        recorded "$2" | jq "$3" >"$WORK/$1.json"
        check "$1 is found" bash -c "! node '$KUBERNETES/validate.mjs' '$WORK/$1.json' >'$WORK/$1.txt' && grep -q ' 1 wrong' '$WORK/$1.txt' || { cat '$WORK/$1.txt'; false; }"
}
wrong "a Certificate without an issuer" cert-manager.io-v1-certificates '.items |= [.[0] | del(.spec.issuerRef)]'
wrong "a weight that is text" argoproj.io-v1alpha1-rollouts '.items |= [.[0] | .spec.strategy.canary.steps[0].setWeight = "ten"]'
wrong "a trigger without a type" keda.sh-v1alpha1-scaledobjects '.items |= [.[0] | del(.spec.triggers[0].type)]'
wrong "a Deployment without a selector" apps-v1-deployments '.items |= [.[0] | del(.spec.selector)]'
wrong "an Ingress path without a type" networking.k8s.io-v1-ingresses '.items |= [.[0] | del(.spec.rules[0].http.paths[0].pathType)]'

finish
