# A PostgreSQL with what goes wrong in production.  Sourced by tests/demo/run.
# shellcheck shell=bash disable=SC2034

demo_postgres() {
        postgres_start db wal_level=logical archive_mode=on archive_command="'/bin/false'" || return 1
        sql "CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds; CREATE ROLE kaireon LOGIN;
             CREATE ROLE reporting LOGIN; ALTER ROLE reporting SET idle_in_transaction_session_timeout = 0" || return 1
        sql "CREATE DATABASE kaireon OWNER kaireon" || return 1
        sql "CREATE TABLE decision_logs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), body text);
             INSERT INTO decision_logs (body) SELECT repeat('x', 300) FROM generate_series(1, 40000);
             CREATE TABLE outbox_events (id int PRIMARY KEY, topic text, payload text);
             DELETE FROM decision_logs WHERE id % 3 = 0; ANALYZE" kaireon || return 1
        sql "SELECT pg_create_physical_replication_slot('analytics', true)" >/dev/null
        sql "INSERT INTO decision_logs (body) SELECT repeat('y', 300) FROM generate_series(1, 40000); SELECT pg_switch_wal()" kaireon >/dev/null
        # A session of the application that opened a transaction and went away.
        mkfifo "$WORK/session" && start "$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U kaireon -d kaireon -f "$WORK/session"
        exec 8>"$WORK/session"
        echo "BEGIN; SELECT count(*) FROM pg_class;" >&8
        DEMO_SAYS="an inactive slot, a failing archiver, a role without a bound, a session left in a transaction"
        if [ "$1" = again ]; then
                # Mended: the archiver.  Planted: the server's own timeout is now set far too long for one database.
                sql "ALTER SYSTEM SET archive_command = '/bin/true'"
                sql "ALTER SYSTEM SET idle_in_transaction_session_timeout = '30s'"
                sql "ALTER DATABASE kaireon SET idle_in_transaction_session_timeout = '2h'"
                sql "SELECT pg_reload_conf()" >/dev/null
                sql "SELECT pg_switch_wal()" >/dev/null
                for _ in $(seq 50); do
                        [ "$(sql "SELECT last_archived_time > coalesce(last_failed_time, 'epoch') FROM pg_stat_archiver")" = t ] && break
                        sleep 0.2
                done
                DEMO_SAYS="the archiver and the server's timeout mended; one database overrides the timeout now"
        fi
        # A volume that is full in some 25 days when it grows as the history of demo_history() says it did.
        if [ "$1" = first ]; then
                sql "SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database) + (SELECT sum(size) FROM pg_ls_waldir())" >"$DEMO/volume.used"
        fi
        sleep 2.2
        TARGETS="$TARGETS
  - name: kaireon-db
    kind: postgres
    dsn: host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds
    volumes: [{name: data, size: $(($(cat "$DEMO/volume.used") * 14 / 10))B}]"
        POLICY="$POLICY
  DSK-5: {free: 10MB}"
}

# Thirty days of growth, as earlier rounds would have measured it.
demo_history() {
        local day at used now
        now=$(cat "$DEMO/volume.used")
        {
                echo "target,series,resource,time,value"
                for day in $(seq 40 -1 1); do
                        at=$(date -u -d "$day days ago" +%Y-%m-%dT03:00:00Z)
                        used=$((now - day * now / 62 + (day * 5 % 7 - 3) * now / 600))
                        echo "kaireon-db,disk_growth.volume_used_bytes,data,$at,$used"
                        echo "kaireon-db,disk_growth.volume_total_bytes,data,$at,$((now * 14 / 10))"
                done
        } >"$DEMO/samples.csv"
        "$ROUNDS" import -c "$1" "$DEMO/samples.csv" >"$DEMO/import.txt" 2>&1 || cat "$DEMO/import.txt"
}
