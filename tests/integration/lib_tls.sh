# Certificates for tests: a root, an intermediate, and leaves of any name and dates.  Sourced after lib.sh.
# shellcheck shell=bash

# tls_authority FOLDER: root.pem, intermediate.pem and their keys.
tls_authority() {
        CA=$1
        mkdir -p "$CA/new"
        : >"$CA/index.txt"
        cat >"$CA/ca.cnf" <<C
[ca]
default_ca = here
[here]
database = $CA/index.txt
new_certs_dir = $CA/new
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
email_in_dn = no
[any]
commonName = supplied
organizationName = optional
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
[req]
distinguished_name = dn
[dn]
C
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$CA/root.key" -out "$CA/root.pem" \
                -days 3650 -subj "/CN=Test Root" -config "$CA/ca.cnf" -extensions authority 2>/dev/null
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$CA/intermediate.key" -out "$CA/i.csr" \
                -subj "/CN=Test Intermediate" -config "$CA/ca.cnf" 2>/dev/null
        tls_sign root "$CA/i.csr" "$CA/intermediate.pem" authority 2000
}

# tls_sign ISSUER CSR OUT EXTENSIONS DAYS [DAYS AGO]: ends DAYS from now (may be negative), began DAYS AGO (default 1).
tls_sign() {
        openssl ca -batch -config "$CA/ca.cnf" -cert "$CA/$1.pem" -keyfile "$CA/$1.key" -in "$2" -out "$3" -notext \
                -extensions "$4" -startdate "$(date -u -d "${6:-1} days ago" +%Y%m%d%H%M%SZ)" \
                -enddate "$(date -u -d "$5 days" +%Y%m%d%H%M%SZ)" >"$CA/sign.log" 2>&1 || { cat "$CA/sign.log"; return 1; }
}

# tls_leaf FILE SUBJECT NAMES DAYS [DAYS AGO [KEY OPTIONS...]]: FILE.pem (leaf and intermediate), FILE.leaf.pem, FILE.key.
tls_leaf() {
        local file=$1 subject=$2 names=$3 days=$4 ago=${5:-1}
        shift 4
        [ $# -gt 0 ] && shift
        [ $# -gt 0 ] || set -- -newkey ec -pkeyopt ec_paramgen_curve:P-256
        openssl req "$@" -nodes -utf8 -keyout "$file.key" -out "$file.csr" -subj "$subject" \
                ${names:+-addext "subjectAltName=$names"} -config "$CA/ca.cnf" 2>"$CA/req.log" || { cat "$CA/req.log"; return 1; }
        tls_sign intermediate "$file.csr" "$file.leaf.pem" server "$days" "$ago" || return 1
        cat "$file.leaf.pem" "$CA/intermediate.pem" >"$file.pem"
}
