#!/bin/bash
# rounds init: whatever the environment holds, the file it writes is accepted, holds no secret, and never replaces another.
# timeout: 60
. "$(dirname "$0")/lib.sh"
need jq
cd "$WORK" || exit 1
quiet() { "$@" >/dev/null; }
clean() { env -i HOME="$WORK/home" PATH="$PATH" "$@"; }
loads() { clean "$ROUNDS" list targets -c "$1" >"$WORK/targets.txt" 2>&1 || { cat "$WORK/targets.txt" "$1"; return 1; }; }
mkdir -p home

clean "$ROUNDS" init bare.yaml >out.txt 2>&1
check "with nothing to see it still writes a file" [ -s bare.yaml ]
check "and that file loads" loads bare.yaml
sed -E 's/^( *)#([^ ].*|  .*)/\1\2/' bare.yaml >everything.yaml
check "and with everything switched on as well, a control of one's own per kind of source among it" bash -c "grep -c 'id: MY-' everything.yaml | grep -qx 6 && '$ROUNDS' list targets -c everything.yaml >all.txt 2>&1 && grep -q '^custom' all.txt || { cat all.txt; false; }"
missing=$("$ROUNDS" list kinds --json | jq -r '.[].kind' | grep -vx custom | while read -r kind; do grep -q "kind: $kind\b" bare.yaml || echo "$kind"; done)
check "every kind of target is proposed: ${missing:-all}" [ -z "$missing" ]
check "it says what to do next" grep -q 'rounds check -c bare.yaml' out.txt
check "only its owner may write it" [ "$(stat -c %a bare.yaml)" = 640 ]

mkdir -p home/.kube
cat >home/.kube/config <<'K'
apiVersion: v1
kind: Config
contexts:
  - {name: prod, context: {cluster: a, user: b}}
  - {name: "st\"age: [x", context: {cluster: a, user: b}}
K
clean PGHOST=db.test PGPORT=6543 PGUSER=rounds PGDATABASE=kaireon PGPASSWORD=hunter2secret PGSSLMODE=verify-full \
        REDIS_URL=rediss://app:hunter3secret@cache.test:6380/0 "$ROUNDS" init seen.yaml >out.txt 2>&1
check "what is seen loads" loads seen.yaml
check "PostgreSQL is proposed" grep -q "host='db.test' port='6543' dbname='kaireon' user='rounds' sslmode='verify-full'" seen.yaml
check "Redis is proposed without what stands before the @" grep -q 'url: "rediss://cache.test:6380/0"' seen.yaml
check "every context is proposed" [ "$(grep -c 'kind: kubernetes' seen.yaml)" -eq 2 ]
check "a password's variable is named" grep -q 'password_env: PGPASSWORD' seen.yaml
check "no secret is copied" bash -c "! grep -E 'hunter[23]secret' seen.yaml out.txt"

nasty=$'x\': {y: [\n  - "\\ #@'
clean PGHOST="$nasty" PGDATABASE="$nasty" PGUSER="$nasty" REDIS_HOST="$nasty" KUBECONFIG="$WORK/home/.kube/config:$nasty:/nowhere" \
        "$ROUNDS" init nasty.yaml >out.txt 2>&1
clean "$ROUNDS" list targets -c nasty.yaml >targets.txt 2>&1
check "hostile variables make no syntax" bash -c "! grep -qiE 'while|expected|mapping|unknown' targets.txt || { cat targets.txt nasty.yaml; false; }"
printf '\0\1\2garbage: [' >home/.kube/config
check "a broken kubeconfig is passed over" quiet clean "$ROUNDS" init broken.yaml

cp seen.yaml before.yaml
clean "$ROUNDS" init seen.yaml >out.txt 2>&1
check "a file that is there: status 3" [ $? -eq 3 ]
check "it says so" grep -q 'is there already and stays as it is' out.txt
check "and is untouched" cmp -s seen.yaml before.yaml
check "- writes to standard output" bash -c "env -i HOME=/nowhere '$ROUNDS' init - | grep -q '^version: 1'"
clean "$ROUNDS" init "$WORK/no/such/folder/x.yaml" >out.txt 2>&1
check "a folder that is not there: status 4" [ $? -eq 4 ]
check "nothing half-written is left" bash -c "! ls '$WORK' | grep -q '\.new$'"
finish
