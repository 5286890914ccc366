#!/bin/bash
# OCSP responses that servers staple: good from the authority itself and from its delegate, revoked, of another certificate, of
# strangers, for a server that sends its leaf alone, and what is no response at all.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
need openssl jq

C=$WORK/certificates
mkdir -p "$C"
tls_authority "$C" || exit 1
tls_leaf "$C/good" "/CN=good.test" IP:127.0.0.1 90
tls_leaf "$C/revoked" "/CN=revoked.test" IP:127.0.0.1 90
tls_leaf "$C/unlisted" "/CN=unlisted.test" IP:127.0.0.1 90
# A leaf that the root itself signed: its server sends no other certificate, and need not.
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$C/direct.key" -out "$C/direct.csr" -subj /CN=direct.test \
        -addext subjectAltName=IP:127.0.0.1 -config "$C/ca.cnf" 2>/dev/null
tls_sign root "$C/direct.csr" "$C/direct.pem" server 90
cp "$C/direct.pem" "$C/direct.leaf.pem"
printf '[delegate]\nextendedKeyUsage = OCSPSigning\n' >>"$C/ca.cnf"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$C/delegate.key" -out "$C/delegate.csr" -subj /CN=Delegate \
        -config "$C/ca.cnf" 2>/dev/null
tls_sign intermediate "$C/delegate.csr" "$C/delegate.pem" delegate 90
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$C/stranger.key" -out "$C/stranger.pem" -days 90 \
        -subj /CN=Stranger 2>/dev/null
openssl ca -batch -config "$C/ca.cnf" -cert "$C/intermediate.pem" -keyfile "$C/intermediate.key" -revoke "$C/revoked.leaf.pem" \
        >"$C/revoke.log" 2>&1 || cat "$C/revoke.log"

# answer OUT ISSUER LEAF SIGNER [OPTION...]: a response about the leaf.
answer() {
        local out=$1 issuer=$2 leaf=$3 signer=$4
        shift 4
        openssl ocsp -index "$C/index.txt" -CA "$C/$issuer.pem" -rsigner "$C/$signer.pem" -rkey "$C/$signer.key" -issuer "$C/$issuer.pem" \
                -cert "$C/$leaf.leaf.pem" -no_nonce -ndays 7 -respout "$C/$out.ocsp" "$@" >"$C/ocsp.log" 2>&1 || cat "$C/ocsp.log"
}
answer good intermediate good intermediate
answer bare intermediate good intermediate -resp_no_certs
answer delegated intermediate good delegate
answer revoked intermediate revoked intermediate
answer other intermediate revoked intermediate
answer forged intermediate good stranger
answer direct root direct root
answer direct_bare root direct root -resp_no_certs
# OCSPResponse: successful, a basic response of four bytes that are none.  (What is no OCSPResponse at all, s_server would not staple.)
printf '\x30\x18\x0a\x01\x00\xa0\x13\x30\x11\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01\x04\x04\xde\xad\xbe\xef' >"$C/noise.ocsp"
printf '\x30\x03\x0a\x01\x03' >"$C/later.ocsp" # OCSPResponse: tryLater

declare -A PORT
serve() { # serve NAME CERTIFICATE RESPONSE
        local port chain=()
        port=$(free_port)
        PORT[$1]=$port
        [ "$2" = direct ] || chain=(-cert_chain "$C/intermediate.pem")
        start openssl s_server -accept "127.0.0.1:$port" -cert "$C/$2.leaf.pem" -key "$C/$2.key" "${chain[@]}" \
                ${3:+-status_file "$C/$3.ocsp"} -quiet -www
}
serve good good good
serve bare good bare
serve delegated good delegated
serve revoked revoked revoked
serve other good other
serve forged good forged
serve direct direct direct
serve direct_bare direct direct_bare
serve noise good noise
serve later good later
serve none good
for port in "${PORT[@]}"; do wait_port "$port"; done

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: edge, kind: tls, ca_file: $C/root.pem, connect_timeout: 5s, endpoints: [$(printf '"127.0.0.1:%s", ' "${PORT[@]}")]}
jobs:
  nightly: {audits: [certificates], report: {formats: [json], to: $WORK/reports}}
Y
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
of() { jq -r --arg port "$1" '[.findings[] | select(.control == "CRT-6" and (.resource.name | contains(":" + $port)))]' "$json"; }
is() { # is NAME STATUS [WORDS]
        of "${PORT[$1]}" | jq -e --arg status "$2" --arg words "${3:-}" 'length == 1 and .[0].status == $status and
                ((.[0].observed + .[0].message) | contains($words))' >/dev/null || { of "${PORT[$1]}"; return 1; }
}
lacks() { ! of "${PORT[$1]}" | grep -q "$2"; }
check "a good response passes" is good pass
check "one without its signer's certificate passes" is bare pass
check "one of a delegate passes" is delegated pass
check "none passes where none is demanded" is none pass
check "a leaf that the root signed passes, sent alone" is direct pass
check "also without the signer's certificate" is direct_bare pass
check "a revoked certificate is found" is revoked fail "It is revoked, says the OCSP response that the server staples itself."
check "and its response is sound" lacks revoked "not signed"
check "a response about another certificate is found" is other fail "The stapled OCSP response is about another certificate."
check "one that a stranger signed is found" is forged fail "The stapled OCSP response is not signed by the issuer."
check "noise is found" is noise fail "The stapled OCSP response is unreadable."
check "a responder that had none is found" is later fail "The stapled OCSP response is unreadable."
finish
