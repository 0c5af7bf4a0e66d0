#!/bin/sh
# pgbouncer as the gate of a cutover: clients wait instead of failing, and go on at the target.
#
#   export PGBOUNCER_ADMIN='host=127.0.0.1 port=6432 user=admin dbname=pgbouncer'
#   export PGBOUNCER_INI=/etc/pgbouncer/pgbouncer.ini  PGBOUNCER_DB=shop
#   export PGBOUNCER_TARGET='host=new.example port=5432 dbname=shop'
#   pgl-cutover --yes --block hook \
#       --hook-blocked  'scripts/hooks/pgbouncer.sh pause' \
#       --hook-switched 'scripts/hooks/pgbouncer.sh switch' \
#       --hook-restored 'scripts/hooks/pgbouncer.sh resume'
#
# Pausing is for pool_mode transaction or statement. With sessions it would wait until every client has
# gone by itself, so `pause` refuses; use `switch` alone there, and clients connect again once.
#
# The line of the database in the [databases] section is rewritten in place; one copy of the file as
# it was stays beside it. Sessions that do not come through pgbouncer are ended by pgl-cutover itself.
set -eu

: "${PGBOUNCER_ADMIN:?conninfo of the admin console}"
: "${PGBOUNCER_DB:?name of the database in pgbouncer}"

admin() {
    psql -X -q -v ON_ERROR_STOP=1 -d "$PGBOUNCER_ADMIN" -c "$1" >/dev/null
}

pool_mode() {
    psql -X -A -F '|' -v ON_ERROR_STOP=1 -d "$PGBOUNCER_ADMIN" -c 'SHOW POOLS' | awk -F '|' -v name="$PGBOUNCER_DB" '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
        $column["database"] == name { print $column["pool_mode"]; exit }'
}

pause() {
    if [ "$(pool_mode)" = session ]; then
        echo "pgbouncer.sh: $PGBOUNCER_DB has pool_mode session: PAUSE would wait until every client has gone" >&2
        exit 1
    fi
    admin "PAUSE \"$PGBOUNCER_DB\""
}

# One session for everything: clients wait for it. RESUME of what is not paused is an error that means
# nothing; the last statement proves that the console was there to the end.
resume() {
    psql -X -q -v ON_ERROR_STOP=1 -d "$PGBOUNCER_ADMIN" >/dev/null <<END
${1:-}
\\set ON_ERROR_STOP off
RESUME "$PGBOUNCER_DB";
\\set ON_ERROR_STOP on
SHOW VERSION;
END
}

rewrite() {
    : "${PGBOUNCER_INI:?path of pgbouncer.ini}"
    : "${PGBOUNCER_TARGET:?where the database is from now on}"
    cp -p "$PGBOUNCER_INI" "$PGBOUNCER_INI.before-cutover"
    new=$(mktemp "$PGBOUNCER_INI.XXXXXX")
    awk -v name="$PGBOUNCER_DB" -v line="$PGBOUNCER_DB = $PGBOUNCER_TARGET" '
        /^\[/ { inside = ($0 ~ /^\[databases\]/) }
        inside { key = $0; sub(/[ \t]*=.*/, "", key); if (key == name) { print line; found = 1; next } }
        { print }
        END { exit !found }' "$PGBOUNCER_INI" >"$new" || {
        rm -f "$new"
        echo "pgbouncer.sh: no database $PGBOUNCER_DB in $PGBOUNCER_INI" >&2
        exit 1
    }
    # Written into the same file: owner and mode stay.
    cat "$new" >"$PGBOUNCER_INI"
    rm -f "$new"
}

case "${1:-}" in
    pause) pause ;;
    switch)
        rewrite
        resume 'RELOAD;'
        ;;
    resume) resume ;;
    *)
        echo 'usage: pgbouncer.sh pause | switch | resume' >&2
        exit 2
        ;;
esac
