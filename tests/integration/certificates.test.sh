#!/bin/bash
# The certificates audit on real TLS servers (nginx, node's OpenSSL, PostgreSQL), protocols that begin in plain, hostile peers, and a
# folder of files of every kind.
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
. "$(dirname "$0")/lib_tls.sh"
need openssl node jq sqlite3 nginx postgres

C=$WORK/certificates
mkdir -p "$C"
tls_authority "$C" || exit 1
SAN=DNS:good.test,IP:127.0.0.1
tls_leaf "$C/good" "/CN=good.test" "$SAN" 90
SAN=IP:127.0.0.1
tls_leaf "$C/soon" "/CN=soon.test" "$SAN" 6
tls_leaf "$C/expired" "/CN=expired.test" "$SAN" -2 40
tls_leaf "$C/future" "/CN=future.test" "$SAN" 90 -3
tls_leaf "$C/other" "/CN=other.test" "DNS:other.test,DNS:b.test" 90
tls_leaf "$C/weak" "/CN=weak.test" "$SAN" 90 1 -newkey rsa:1024
tls_leaf "$C/hostile" '/CN=<script>alert(1)<\/script>|a\
b' "$SAN" 90
tls_leaf "$C/formula" "/CN==HYPERLINK(\"http:\/\/evil.test\")$(printf '\u202e')gpj" "" 90
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$C/self.key" -out "$C/self.pem" -days 90 \
        -subj /CN=self.test -addext "subjectAltName=$SAN" 2>/dev/null

start node "$TOP/tests/integration/tls_servers.mjs" "$C"
for _ in $(seq 100); do grep -q ready "$WORK/servers.log" 2>/dev/null && break; sleep 0.1; done
port() { sed -n "s/^$1=//p" "$WORK/servers.log"; }

NGINX=$(free_port)
mkdir -p "$WORK/nginx"
cat >"$WORK/nginx.conf" <<N
daemon off; pid $WORK/nginx/pid; error_log $WORK/nginx/error.log;
events {}
http { access_log off; client_body_temp_path $WORK/nginx/b; proxy_temp_path $WORK/nginx/p; fastcgi_temp_path $WORK/nginx/f;
  uwsgi_temp_path $WORK/nginx/u; scgi_temp_path $WORK/nginx/s;
  server { listen 127.0.0.1:$NGINX ssl; ssl_certificate $C/good.pem; ssl_certificate_key $C/good.key; } }
N
start "$(program nginx)" -c "$WORK/nginx.conf" -p "$WORK/nginx" -e "$WORK/nginx/error.log"
NGINX_PID=$LAST
wait_port "$NGINX" || cat "$WORK/nginx/error.log"

cp "$C/good.key" "$C/server.key"
give_nobody "$C/server.key"
chmod 600 "$C/server.key"
postgres_start base ssl=on "ssl_cert_file='$C/good.pem'" "ssl_key_file='$C/server.key'" || { tail "$WORK/servers.log"; exit 1; }
PG_TLS=$PG_PORT
postgres_start plain || exit 1

F=$WORK/files
mkdir -p "$F/deep/er" "$F/secret"
cat "$C/good.key" "$C/good.pem" "$C/soon.pem" >"$F/many.pem"
openssl x509 -in "$C/other.pem" -outform der -out "$F/other.der"
openssl pkcs12 -export -in "$C/weak.pem" -inkey "$C/weak.key" -passout pass:geheimnis -out "$F/store.p12" 2>/dev/null
cp "$C/formula.pem" "$F/deep/er/formula.crt"
: >"$F/empty.pem"
head -c 100000 /dev/urandom >"$F/binary.crt"
truncate -s 5G "$F/huge.pem"
echo "read me" >"$F/README"
printf -- '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n' >"$F/broken.pem"
cp "$C/good.pem" "$F/unreadable.pem"
chmod 000 "$F/unreadable.pem"
mkfifo "$F/pipe.pem"
echo geheimnis >"$WORK/password"
chmod 600 "$WORK/password"

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - name: edge
    kind: tls
    ca_file: $C/root.pem
    connect_timeout: 3s
    addresses: ipv4
    password_file: $WORK/password
    owners:
      - {match: "good.test", owner: web}
      - {match: "*.p12", owner: vault}
    files: [$F, "$WORK/nothing/*.pem"]
    endpoints:
      - 127.0.0.1:$NGINX
      - localhost:$NGINX
      - 127.0.0.1:1
      - 127.0.0.1:$(port sni)#b.test
      - no-such-host.invalid:443
      - "127.0.0.1:99999"
$(for name in tls12 tls13 client12 client13 soon expired future hostile other weak leafonly selfsigned garbage drip silent closes http; do
        echo "      - 127.0.0.1:$(port $name)"
done)
$(for name in smtp imap pop3 ftp ldap mysql; do echo "      - 127.0.0.1:$(port $name)+$name"; done)
      - 127.0.0.1:$PG_TLS+postgres
      - 127.0.0.1:$PG_PORT+postgres
      - 127.0.0.1:$(port smtprefuse)+smtp
      - 127.0.0.1:$(port smtpinject)+smtp
      - 127.0.0.1:$(port garbage)+imap
      - 127.0.0.1:$(port silent)+mysql
jobs:
  weekly: {audits: [certificates], report: {formats: [json, md, html, xlsx], to: $WORK/reports}}
Y
# As an ordinary user, so that the unreadable file is unreadable.
if [ "$(id -u)" -eq 0 ]; then
        cp "$ROUNDS" "$WORK/rounds"
        chmod 755 "$WORK" "$C"
        chmod 644 "$C"/*.pem
        give_nobody "$WORK" "$F" "$F"/* "$WORK/password"
        ordinary="setpriv --reuid=nobody --regid=nogroup --clear-groups"
        # A checkout in a folder that only root may enter: nobody passes by a capability, for which nothing is unreadable.
        if ! $ordinary test -x "$WORK/rounds" 2>/dev/null; then
                ordinary=as_nobody
                rm -f "$F/unreadable.pem"
        fi
        run() { $ordinary "$WORK/rounds" run weekly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1; }
else
        run() { "$ROUNDS" run weekly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1; }
fi
began=$(date +%s)
run
status=$?
took=$(($(date +%s) - began))
json=$(ls "$WORK"/reports/weekly-*Z.json)
all='.findings[] | [.control,.status,.severity,.resource.name,.observed,.message] | @tsv'
finds() { # CONTROL STATUS RESOURCE(part) TEXT(part, in observed or message) [SEVERITY]
        jq -e --arg c "$1" --arg s "$2" --arg r "$3" --arg t "$4" --arg v "${5:-}" \
                '[.findings[] | select(.control==$c and .status==$s and (.resource.name//""|contains($r)) and ((.observed//"")+" "+.message|contains($t)) and ($v=="" or .severity==$v))] | length >= 1' \
                "$json" >/dev/null || { jq -r "$all" "$json" | grep -F "${3}" | head -5; return 1; }
}
at() { echo "127.0.0.1:$(port "$1")"; }

check "findings are exit status 2" [ "$status" -eq 2 ]
check "slow endpoints cost one timeout, not one each" [ "$took" -le 8 ]
check "nginx is sound" finds CRT-6 pass "127.0.0.1:$NGINX" good.test
for name in tls12 tls13 client12 client13; do check "$name is sound" finds CRT-6 pass "$(at $name)" good.test; done
check "TLS 1.2 is seen" finds CRT-6 pass "$(at tls12)" TLSv1.2
for name in smtp imap pop3 ftp ldap mysql; do check "$name begins TLS" finds CRT-6 pass "$(at $name)+$name" good.test; done
check "six days left are SEV2" finds CRT-2 fail soon.test "left, until" SEV2
check "expired is SEV1" finds CRT-2 fail expired.test "expired" SEV1
check "ninety days pass" finds CRT-2 pass good.test "left, until"
check "not valid yet" finds CRT-6 fail "$(at future)" "not valid before"
check "a wrong name" finds CRT-6 fail "$(at other)" "does not name 127.0.0.1"
check "SNI is sent, and that name checked" finds CRT-6 pass "$(at sni)#b.test" other.test
check "a short key" finds CRT-6 fail "$(at weak)" "RSA of 1024 bits"
check "an incomplete chain" finds CRT-6 fail "$(at leafonly)" "neither sent nor trusted"
check "signed by itself" finds CRT-6 fail "$(at selfsigned)" "signed by itself"
check "owner by rule" jq -e '.inventory.certificates[] | select(.subject=="good.test" and .owner=="web")' "$json" >/dev/null
check "owner by place" jq -e '.inventory.certificates[] | select(.subject=="weak.test" and .owner=="vault")' "$json" >/dev/null
check "no owner is told" finds CRT-4 fail soon.test "no owner"
check "one row per certificate, with every place" jq -e '[.inventory.certificates[] | select(.subject=="good.test")] | length == 1 and (.[0].where | test("smtp.*many.pem"))' "$json" >/dev/null
for name in garbage drip silent closes http; do
        for control in CRT-2 CRT-3 CRT-6; do check "$name is $control could not assess" finds $control error "$(at $name)" ""; done
done
check "a drip is a timeout" finds CRT-6 error "$(at drip)" "in time"
check "refused port" finds CRT-3 error 127.0.0.1:1 "Connection refused"
check "a name is resolved" finds CRT-3 pass "localhost:$NGINX" ""
check "unknown name" finds CRT-3 error no-such-host.invalid "not resolved"
check "a port that is none" finds CRT-3 error 127.0.0.1:99999 "between 1 and 65535"
check "STARTTLS refused" finds CRT-6 error "$(at smtprefuse)" "502 not here"
check "bytes injected before TLS" finds CRT-6 error "$(at smtpinject)" "does not speak SMTP"
check "garbage instead of IMAP" finds CRT-6 error "$(at garbage)+imap" ""
check "many in one file" finds CRT-3 pass "$F/many.pem" ""
check "DER" finds CRT-3 pass "$F/other.der" ""
check "PKCS#12 with its password" finds CRT-3 pass "$F/store.p12" ""
check "folders are walked" finds CRT-3 pass "$F/deep/er/formula.crt" ""
check "an empty file" finds CRT-3 error "$F/empty.pem" "empty"
check "a binary file" finds CRT-3 error "$F/binary.crt" "neither PEM"
check "a huge file" finds CRT-3 error "$F/huge.pem" "more than the"
check "a broken file" finds CRT-3 error "$F/broken.pem" "cannot be read"
check "a folder that is not there" finds CRT-3 error "$WORK/nothing" "no file is named so"
check "PostgreSQL begins TLS" finds CRT-6 pass "127.0.0.1:$PG_TLS+postgres" good.test
check "PostgreSQL without TLS says so" finds CRT-6 error "127.0.0.1:$PG_PORT+postgres" "ssl is off"
if [ -e "$F/unreadable.pem" ]; then
        check "an unreadable file" finds CRT-3 error "$F/unreadable.pem" "Permission denied"
else
        echo "  SKIPPED: an unreadable file: the checkout lies where only root may enter, and root reads everything"
fi
html=$(ls "$WORK"/reports/weekly-*Z.html)
md=$(ls "$WORK"/reports/weekly-*Z.md)
check "no markup of a subject reaches HTML" bash -c "! grep -q '<script>alert' '$html'"
check "no pipe or newline breaks a Markdown table" bash -c "! grep -q '|a\$' '$md'"
check "no key, no password anywhere" bash -c "! grep -rqE 'PRIVATE KEY|geheimnis' '$WORK/reports' '$WORK/out.txt' && ! grep -aqE 'PRIVATE KEY|geheimnis' '$WORK/rounds.db'"

# What a swept place is worth when it answers no longer: told at once, a fault of CRT-3 after the policy's week.
sqlite3 "$WORK/rounds.db" "UPDATE samples SET at_ms = at_ms - 9 * 86400000" 2>"$WORK/sqlite.log" || cat "$WORK/sqlite.log"
kill "$NGINX_PID" && wait "$NGINX_PID" 2>/dev/null
sleep 1
run
json=$(ls "$WORK"/reports/weekly-*Z.json | tail -1)
check "a place unread for over a week is a fault" finds CRT-3 fail "127.0.0.1:$NGINX" "refused" SEV3
check "rounds check names the first that does not answer" bash -c "! '$ROUNDS' check -c '$WORK/rounds.yaml' >'$WORK/check.txt' 2>&1; grep -q 'endpoints answer' '$WORK/check.txt' || { cat '$WORK/check.txt'; false; }"
finish
