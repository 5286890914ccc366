# nginx with certificates that end too soon, name somebody else, or nobody knows.  Sourced by tests/demo/run.
# shellcheck shell=bash disable=SC2034

demo_tls() {
        local folder=$DEMO/certificates port web name
        port=$(demo_port tls)
        if [ "$1" = first ]; then
                mkdir -p "$folder"
                tls_authority "$folder" || return 1
                tls_leaf "$folder/www" "/CN=www.kaireon.test" "DNS:www.kaireon.test" 60 30 || return 1
                tls_leaf "$folder/api" "/CN=api.kaireon.test" "DNS:api.kaireon.test" 5 85 || return 1
                tls_leaf "$folder/pay" "/CN=pay.kaireon.test" "DNS:pay.kaireon.test" 2 88 || return 1
                tls_leaf "$folder/old" "/CN=old.kaireon.test" "DNS:old.kaireon.test" -3 93 || return 1
                openssl pkcs12 -export -in "$folder/www.pem" -inkey "$folder/www.key" -passout pass:vault-of-the-kaireon -out "$folder/vault.p12" 2>/dev/null
                echo vault-of-the-kaireon >"$folder/password"
                chmod 600 "$folder/password"
        else
                CA=$folder
                # api was renewed; www was deployed with the certificate of somebody else.
                tls_leaf "$folder/api" "/CN=api.kaireon.test" "DNS:api.kaireon.test" 90 0 || return 1
                cp "$folder/pay.pem" "$folder/www.pem"
                cp "$folder/pay.key" "$folder/www.key"
        fi
        mkdir -p "$WORK/nginx"
        {
                echo "daemon off; pid $WORK/nginx/pid; error_log $WORK/nginx/error.log;"
                echo "events {}"
                echo "http { access_log off; client_body_temp_path $WORK/nginx/b; proxy_temp_path $WORK/nginx/p; fastcgi_temp_path $WORK/nginx/f;"
                echo "  uwsgi_temp_path $WORK/nginx/u; scgi_temp_path $WORK/nginx/s;"
                for name in www api pay; do
                        echo "  server { listen 127.0.0.1:$port ssl; server_name $name.kaireon.test;"
                        echo "    ssl_certificate $folder/$name.pem; ssl_certificate_key $folder/$name.key; }"
                done
                echo "}"
        } >"$WORK/nginx.conf"
        web=$(program nginx) || return 1
        start "$web" -c "$WORK/nginx.conf" -p "$WORK/nginx" -e "$WORK/nginx/error.log"
        wait_port "$port" 10 || return 1
        DEMO_SAYS="certificates that end in 2 and 5 days, one long expired in a file, an endpoint that answers nobody"
        TARGETS="$TARGETS
  - name: edge
    kind: tls
    ca_file: $folder/root.pem
    connect_timeout: 2s
    password_file: $folder/password
    owners: [{match: \"pay.*\", owner: payments}]
    endpoints:
      - 127.0.0.1:$port#www.kaireon.test
      - 127.0.0.1:$port#api.kaireon.test
      - 127.0.0.1:$port#pay.kaireon.test
      - 127.0.0.1:1#mail.kaireon.test
    files: [$folder/old.leaf.pem, $folder/vault.p12]"
}
