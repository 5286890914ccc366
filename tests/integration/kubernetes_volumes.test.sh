#!/bin/bash
# Volume claims of a cluster: growth, pending, lost and stuck ones.
# timeout: 40
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq

kubernetes_start
kubernetes_run volumes
check "a database's claim on a class that cannot grow" has '.control=="DSK-1" and .status=="fail" and .severity=="SEV2" and .resource.name=="data-postgres-0" and (.observed|test("storage class gp3 does not allow expansion")) and (.remedy|test("kubectl patch storageclass gp3"))'
check "and without a volume for a day" has '.resource.name=="data-postgres-0" and (.observed|test("Pending for"))'
check "nothing but GET was sent" kubernetes_only_reads

F=$WORK/objects
mkdir -p "$F"
claims() { # CAPACITY
        jq -n --arg c "$1" '{kind: "PersistentVolumeClaimList", apiVersion: "v1", metadata: {}, items: [
                {metadata: {name: "data-postgres-0", namespace: "kaireon", creationTimestamp: "2026-01-01T00:00:00Z"}, spec: {storageClassName: "gp3", resources: {requests: {storage: "200Gi"}}},
                 status: {phase: "Bound", capacity: {storage: $c}, conditions: (if $c == "200Gi" then [] else [{type: "FileSystemResizePending", status: "True", message: "Waiting for user to (re-)start a pod"}] end)}},
                {metadata: {name: "cache-0", namespace: "kaireon", creationTimestamp: "2026-01-01T00:00:00Z"}, spec: {resources: {requests: {storage: "1Gi"}}}, status: {phase: (if $c == "200Gi" then "Bound" else "Lost" end)}}]}' >"$F/core-v1-persistentvolumeclaims.json"
}
claims 100Gi
echo '{"kind": "StorageClassList", "apiVersion": "storage.k8s.io/v1", "metadata": {}, "items": [{"metadata": {"name": "gp3"}, "provisioner": "ebs.csi.aws.com", "allowVolumeExpansion": true, "volumeBindingMode": "WaitForFirstConsumer"}]}' >"$F/storage.k8s.io-v1-storageclasses.json"
kubernetes_start --objects "$F"
kubernetes_run volumes
check "a claim that was to grow and has not" has '.status=="fail" and .resource.name=="data-postgres-0" and (.observed|test("200 GiB asked for, 100 GiB there, FileSystemResizePending"))'
check "a lost claim" has '.status=="fail" and .resource.name=="cache-0" and .observed=="Lost"'
claims 200Gi
kubernetes_start --objects "$F"
kubernetes_run volumes
check "the healthy state passes" bash -c "! jq -ec '.findings[] | select(.status != \"pass\")' '$json'"
check "with its count" has '.control=="DSK-1" and .status=="pass" and (.observed|test("1 of 1 claims of databases, of 2"))'
kubernetes_start --objects "$F" --fault 'storageclasses=403'
kubernetes_run volumes
check "refused classes are an error with the rule to add" has '.control=="DSK-1" and .status=="error" and .reason=="denied" and (.remedy|test("storageclasses"))'
check "and no pass" bash -c "! jq -e '.findings[] | select(.status == \"pass\")' '$json'"
finish
