#!/bin/bash
# DSNs of workloads against a real PgBouncer: limits and timeouts are found wherever they are written, passwords are never kept.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
. "$(dirname "$0")/lib_postgres.sh"
. "$(dirname "$0")/lib_pgbouncer.sh"
need node jq postgres initdb psql pgbouncer

postgres_start main max_connections=60 || exit 1
sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds"
pgbouncer_start pooler "max_client_conn = 300"
POOLER=$PORT

pools_run() {
        kubernetes_run "pools, pool_demand, pgbouncer" "" "  - {name: pooler, kind: pgbouncer, dsn: \"host=127.0.0.1 port=$POOLER dbname=pgbouncer user=rounds\"}"
}

# The recorded cluster: one DSN in a Secret, limit 20, timeout 10, up to 20 replicas.
kubernetes_start
pools_run
check "a timeout that is too long, with where it is written" has '.control=="DBC-5" and .status=="fail" and .resource.name=="kaireon-api/main/DATABASE_URL" and .observed=="pool_timeout 10 s" and (.remedy|test("Secret kaireon-api/DATABASE_URL"))'
check "its limit is there" has '.control=="DBC-3" and .status=="pass" and (.observed|test("1 of 1 DSNs"))'
check "at the autoscaler's maximum the pooler refuses" has '.control=="DBC-3" and .status=="fail" and .resource.kind=="pool demand" and (.observed|test("up to 400 connections \\(now 60\\).*pooler admits 300 clients"))'
check "the Secret was asked for by its name, and no other" [ "$(grep -c '/secrets?' "$KUBE_LOG")" = "$(grep -c '/secrets?.*metadata.name%3Dkaireon-api ' "$KUBE_LOG")" ]
check "nothing but GET was sent" kubernetes_only_reads
check "the password is nowhere" kubernetes_nowhere PLANTED-SECRET dsns

# DSNs wherever they can stand.
F=$WORK/objects
mkdir -p "$F"
jq -n '
def workload(n; env; from): {metadata: {name: n, namespace: "k"}, spec: {replicas: 2, template: {metadata: {labels: {app: n}}, spec: {containers: [{name: "c", env: env, envFrom: from}]}}}};
{kind: "DeploymentList", apiVersion: "apps/v1", metadata: {}, items: [
        workload("literal"; [{name: "DATABASE_URL", value: "postgresql://u:PLANTED-SECRET-a@h/db"}]; null),
        workload("from-map"; null; [{prefix: "X_", configMapRef: {name: "settings"}}]),
        workload("from-secret"; null; [{secretRef: {name: "every"}}]),
        workload("gone"; [{name: "DATABASE_URL", valueFrom: {secretKeyRef: {name: "none", key: "url"}}}]; null),
        workload("optional"; [{name: "DATABASE_URL", valueFrom: {secretKeyRef: {name: "none", key: "url", optional: true}}}]; null),
        workload("other"; [{name: "PASSWORD", value: "PLANTED-SECRET-b"}, {name: "REDIS_DSN", value: "redis://:PLANTED-SECRET-c@r"}]; null)]}' >"$F/apps-v1-deployments.json"
jq -n '{kind: "ConfigMapList", apiVersion: "v1", metadata: {}, items: [{metadata: {name: "settings", namespace: "k"}, data: {DATABASE_URL: "postgres://u:PLANTED-SECRET-d@pgb:6432/db?connection_limit=3&pool_timeout=2&pgbouncer=true", OTHER: "x"}}]}' >"$F/core-v1-configmaps.json"
jq -n '{kind: "SecretList", apiVersion: "v1", metadata: {}, items: [{metadata: {name: "every", namespace: "k"}, data: {DATABASE_URL: ("postgresql://u:PLANTED-SECRET-e@pgb/db?connection_limit=4&pool_timeout=0" | @base64), TOKEN: ("PLANTED-SECRET-f" | @base64)}},
        {metadata: {name: "every", namespace: "elsewhere"}, data: {DATABASE_URL: ("postgresql://x@y/db" | @base64)}}]}' >"$F/core-v1-secrets.json"
for list in apps-v1-statefulsets argoproj.io-v1alpha1-rollouts; do echo '{"kind": "List", "apiVersion": "v1", "metadata": {}, "items": null}' >"$F/$list.json"; done
kubernetes_start --objects "$F"
pools_run
check "in the manifest" has '.control=="DBC-3" and .status=="fail" and .resource.name=="literal/c/DATABASE_URL" and .observed=="no connection_limit" and (.remedy|test("the manifest"))'
check "in a whole ConfigMap, with a prefix" jq -e '.inventory.application_pools[] | select(.id == "Deployment k/from-map/c/X_DATABASE_URL" and .connection_limit == 3 and .pool_timeout_s == 2 and .host == "pgb" and .pgbouncer)' "$json"
check "in a whole Secret" has '.control=="DBC-5" and .status=="fail" and .resource.name=="from-secret/c/DATABASE_URL" and .observed=="pool_timeout 0: for ever"'
check "a Secret that is not there is an error" has '.control=="DBC-3" and .status=="error" and .resource.name=="gone/c/DATABASE_URL"'
check "unless it is optional" bash -c "! jq -e '.findings[] | select(.resource.name | test(\"optional\"))' '$json'"
check "what is no DSN is none" bash -c "! jq -e '.findings[] | select(.resource.name | test(\"other\"))' '$json'"
check "without every limit no sum holds" has '.control=="DBC-3" and .status=="error" and .resource.kind=="pool demand"'
check "no password is anywhere" kubernetes_nowhere PLANTED-SECRET dsns

kubernetes_start --fault '/api/v1/secrets=403'
pools_run
check "refused Secrets are an error with the rule to add" has '.control=="DBC-3" and .status=="error" and .reason=="denied" and (.remedy|test("resources: \\[\"secrets\"\\]"))'
check "of both controls" has '.control=="DBC-5" and .status=="error" and .reason=="denied"'
finish
