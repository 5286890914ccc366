# Real PgBouncers in front of lib_postgres.sh's server, for tests.  Sourced after it.
# shellcheck shell=bash

# pgbouncer_start NAME [LINE...]: a pooler for `app` with these lines in its configuration, that trusts everybody; its port in $PORT.
# $POOLER_DATABASES: further lines of its [databases].
pgbouncer_start() {
        local name=$1 line
        shift
        PORT=$(free_port)
        mkdir -p "$WORK/$name"
        {
                echo "[databases]"
                echo "app = host=127.0.0.1 port=$PG_PORT dbname=postgres"
                echo "${POOLER_DATABASES:-}"
                echo "[pgbouncer]"
                echo "listen_addr = 127.0.0.1"
                echo "listen_port = $PORT"
                echo "unix_socket_dir ="
                echo "auth_type = trust"
                echo "auth_file = $WORK/$name/users.txt"
                echo "stats_users = rounds"
                echo "logfile = $WORK/$name/log"
                for line in "$@"; do echo "$line"; done
        } >"$WORK/$name/pgbouncer.ini"
        printf '"%s" ""\n' api batch rounds nosy >"$WORK/$name/users.txt"
        give_nobody "$WORK/$name"
        chmod 755 "$WORK"
        start as_nobody env "LD_LIBRARY_PATH=$SERVERS/usr/lib/x86_64-linux-gnu" "$(program pgbouncer)" "$WORK/$name/pgbouncer.ini"
        wait_port "$PORT"
}
