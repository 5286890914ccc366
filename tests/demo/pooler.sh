# PgBouncer in front of it.  Sourced by tests/demo/run.
# shellcheck shell=bash disable=SC2034

demo_pooler() {
        local port
        port=$(demo_port pooler)
        cat >"$WORK/pgbouncer.ini" <<I
[databases]
kaireon = host=127.0.0.1 port=${PG_PORT:-5432} dbname=kaireon pool_size=80
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = any
admin_users = rounds
pool_mode = transaction
max_client_conn = 60
default_pool_size = 20
server_idle_timeout = 0
query_wait_timeout = 0
I
        give_nobody "$WORK/pgbouncer.ini"
        start as_nobody "$(program pgbouncer)" "$WORK/pgbouncer.ini"
        wait_port "$port" 10 || return 1
        DEMO_SAYS="idle server connections kept for ever, clients that wait for ever, pools larger than the server"
        TARGETS="$TARGETS
  - {name: pooler, kind: pgbouncer, dsn: \"host=127.0.0.1 port=$port user=rounds\", databases_of: kaireon-db}"
}
