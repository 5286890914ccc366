# A private PostgreSQL for a test.  Sourced after lib.sh.
# shellcheck shell=bash

# postgres_start NAME [SETTING=VALUE...]: a cluster of its own; port in $PG_PORT, folder in $PG_DATA, superuser "postgres".
postgres_start() {
        local name=$1 setting bin
        shift
        bin=$(dirname "$(program initdb)")
        PG_DATA=$WORK/$name
        PG_PORT=$(free_port)
        mkdir -p "$PG_DATA" "$WORK/sockets"
        give_nobody "$PG_DATA" "$WORK/sockets"
        as_nobody "$bin/initdb" -D "$PG_DATA" -U postgres --auth=trust -E UTF8 --no-locale -N >>"$WORK/servers.log" 2>&1 || return 1
        {
                echo "listen_addresses = '127.0.0.1'"
                echo "port = $PG_PORT"
                echo "unix_socket_directories = '$WORK/sockets'"
                echo "fsync = off"
                echo "log_statement = all"
                echo "log_line_prefix = '%a|'"
                echo "max_connections = 60"
                for setting in "$@"; do echo "${setting/=/ = }"; done
        } >>"$PG_DATA/postgresql.conf"
        give_nobody "$PG_DATA"
        start as_nobody "$bin/postgres" -D "$PG_DATA"
        PG_PID=$LAST
        PG_LOG=$WORK/servers.log
        wait_port "$PG_PORT" 30 && until sql "SELECT 1" >/dev/null 2>&1; do sleep 0.1; done
}

# sql STATEMENT [DATABASE] [USER]
sql() {
        "$(program psql)" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$PG_PORT" -U "${3:-postgres}" -d "${2:-postgres}" -c "$1"
}
