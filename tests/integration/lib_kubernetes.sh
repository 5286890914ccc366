# A fixture API server for tests, and a kubeconfig for it.  Sourced after lib.sh.
# shellcheck shell=bash
KUBERNETES=$TOP/tests/fixtures/kubernetes

# kubernetes_start [OPTION...]: starts the server (options of server.mjs).  Its port is in $KUBE_PORT, its table of requests in
# $KUBE_LOG (one line each: method, path and query, status), a kubeconfig with the context `test` in $KUBE_CONFIG, its process id in $LAST.
kubernetes_start() {
        KUBE_LOG=$WORK/requests-${#PIDS[@]}.log
        KUBE_CONFIG=$WORK/kubeconfig-${#PIDS[@]}
        local port_file=$WORK/port-${#PIDS[@]} i
        : >"$KUBE_LOG"
        rm -f "$port_file"
        start node "$KUBERNETES/server.mjs" --port-file "$port_file" --log "$KUBE_LOG" --token kube-token-for-tests "$@"
        for ((i = 0; i < 400; i++)); do
                [ -s "$port_file" ] && break
                sleep 0.05
        done
        [ -s "$port_file" ] || { echo "the fixture API server does not start:"; tail -n 5 "$WORK/servers.log"; return 1; }
        KUBE_PORT=$(cat "$port_file")
        cat >"$KUBE_CONFIG" <<Y
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "http://127.0.0.1:$KUBE_PORT"}}]
users: [{name: test, user: {token: kube-token-for-tests}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
Y
}

# kubernetes_config AUDITS [SETTINGS [TARGETS]]: a configuration of the server that was started last, in $WORK/$KUBE_RUN.yaml: further settings
# of its target (", timeout: 2s"), further targets (whole lines).
kubernetes_config() {
        KUBE_RUN=cluster-$KUBE_PORT
        cat >"$WORK/$KUBE_RUN.yaml" <<Y
version: 1
store: sqlite:$WORK/$KUBE_RUN.db
targets:
  - {name: prod, kind: kubernetes, context: test, kubeconfig: [$KUBE_CONFIG], owner: platform${2:-}}
${3:-}
jobs:
  nightly: {audits: [$1], report: {formats: [json, md, html], to: $WORK/reports-$KUBE_RUN, latest: true}}
Y
}

# kubernetes_run AUDITS [SETTINGS [TARGETS]]: run() of lib.sh with it.
kubernetes_run() {
        kubernetes_config "$@"
        run "$KUBE_RUN"
}

# kubernetes_nowhere TEXT MEMBER: the text is not in reports, output or stored facts, which do hold that member.
kubernetes_nowhere() {
        "$TOP/$BUILD/tests/integration/facts_print" "sqlite:$WORK/$KUBE_RUN.db" >"$WORK/facts.txt" || return 1
        grep -q "\"$2\"" "$WORK/facts.txt" &&
                ! grep -rqa "$1" "$WORK/reports-$KUBE_RUN" "$WORK/$KUBE_RUN.out" "$WORK/facts.txt" "$WORK/$KUBE_RUN.db"
}

# list KIND API: the objects on standard input as one list of the API's.
list() { jq -s --arg kind "$1" --arg api "$2" '{kind: $kind, apiVersion: $api, metadata: {resourceVersion: "1"}, items: .}'; }

# recorded NAME: the body of a recorded answer.
recorded() { sed '1,/^\r*$/d' "$KUBERNETES/recorded/$1.txt"; }

# kubernetes_only_reads: nothing but GET was sent, and something was.
kubernetes_only_reads() { [ -s "$KUBE_LOG" ] && ! grep -v '^GET ' "$KUBE_LOG"; }

# kubernetes_asked PATH [TIMES]: PATH (without its query) was asked for, TIMES times when that is given.
kubernetes_asked() {
        local times
        times=$(awk -v path="$1" '{ sub(/\?.*/, "", $2); n += $2 == path } END { print n + 0 }' "$KUBE_LOG")
        if [ -n "${2:-}" ]; then [ "$times" -eq "$2" ]; else [ "$times" -gt 0 ]; fi
}

# kubernetes_valid PATH...: every object in lists, recorded answers or folders of them fits the schemas that its project publishes.  What was
# validated is told; without the packages of tests/npm nothing can be, and that is said loudly.
kubernetes_valid() {
        if [ ! -d "$NODE_PATH/kubernetes-models" ]; then
                echo "SKIPPED: the npm package kubernetes-models is not here (make deps installs it)"
                return 0
        fi
        node "$KUBERNETES/validate.mjs" "$@" >"$WORK/valid.txt" || { cat "$WORK/valid.txt"; return 1; }
        sed 's/^/    /' "$WORK/valid.txt"
}
