#!/bin/sh
# pgbouncer during a cutover: clients wait instead of failing, and continue on the target.
#
#   export PGBOUNCER_ADMIN='host=127.0.0.1 port=6432 user=admin dbname=pgbouncer'
#   export PGBOUNCER_INI=/etc/pgbouncer/pgbouncer.ini  PGBOUNCER_DB=shop
#   export PGBOUNCER_TARGET='host=new.example port=5432 dbname=shop'
#   pgl-cutover --yes --block hook \
#       --hook-blocked  'scripts/hooks/pgbouncer.sh pause' \
#       --hook-promoted 'scripts/hooks/pgbouncer.sh cutover' \
#       --hook-restored 'scripts/hooks/pgbouncer.sh resume'
#
# Pausing is for pool_mode transaction or statement. With sessions it would wait until every client has
# gone by itself, so `pause` refuses; use `cutover` alone there, and clients connect again once.
#
# The line of the database in the [databases] section is rewritten in place; one copy of the file as
# it was before the first cutover stays beside it. Every command can be run again: pgl-cutover resume does so. Sessions that do not come through pgbouncer are ended by pgl-cutover itself.
set -eu

: "${PGBOUNCER_ADMIN:?conninfo of the admin console}"
: "${PGBOUNCER_DB:?name of the database in pgbouncer}"

# The name as the admin console reads it.
quoted="\"$(printf '%s' "$PGBOUNCER_DB" | sed 's/"/""/g')\""

admin() {
    psql -X -q -v ON_ERROR_STOP=1 -d "$PGBOUNCER_ADMIN" -c "$1" >/dev/null
}

# awk reads names from the environment: an assignment with -v would interpret backslashes.
export PGBOUNCER_DB

pool_mode() {
    psql -X -A -F '|' -v ON_ERROR_STOP=1 -d "$PGBOUNCER_ADMIN" -c 'SHOW POOLS' | awk -F '|' '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
        $column["database"] == ENVIRON["PGBOUNCER_DB"] { print $column["pool_mode"]; exit }'
}

pause() {
    if [ "$(pool_mode)" = session ]; then
        echo "pgbouncer.sh: $PGBOUNCER_DB has pool_mode session: PAUSE would wait until every client has gone" >&2
        exit 1
    fi
    admin "PAUSE $quoted"
}

# One session for everything: clients wait for it. RESUME of what is not paused is an error that means
# nothing; the last statement proves that the console was there to the end.
resume() {
    psql -X -q -v ON_ERROR_STOP=1 -d "$PGBOUNCER_ADMIN" >/dev/null <<END
${1:-}
\\set ON_ERROR_STOP off
RESUME $quoted;
\\set ON_ERROR_STOP on
SHOW VERSION;
END
}

rewrite() {
    : "${PGBOUNCER_INI:?path of pgbouncer.ini}"
    : "${PGBOUNCER_TARGET:?where the database is from now on}"
    export PGBOUNCER_TARGET
    # The first copy stays: a hook that runs again finds the file rewritten.
    [ -e "$PGBOUNCER_INI.before-cutover" ] || cp -p "$PGBOUNCER_INI" "$PGBOUNCER_INI.before-cutover"
    new=$(mktemp "$PGBOUNCER_INI.XXXXXX")
    awk '
        # The name that a line defines: indented or not, in quotes or not.
        function key(line,    name, c, i) {
            sub(/^[ \t]*/, "", line)
            if (substr(line, 1, 1) != "\"") {
                sub(/[ \t]*=.*/, "", line)
                return line
            }
            name = ""
            for (i = 2; i <= length(line); i++) {
                c = substr(line, i, 1)
                if (c == "\"") {
                    if (substr(line, i + 1, 1) != "\"") return name
                    i++
                }
                name = name c
            }
            return name
        }
        function shown(name) {
            if (name ~ /^[A-Za-z0-9_.-]+$/) return name
            gsub(/"/, "\"\"", name)
            return "\"" name "\""
        }
        /^[ \t]*\[/ { inside = ($0 ~ /^[ \t]*\[databases\]/) }
        inside && /=/ && !/^[ \t]*[;#]/ && key($0) == ENVIRON["PGBOUNCER_DB"] {
            print shown(ENVIRON["PGBOUNCER_DB"]) " = " ENVIRON["PGBOUNCER_TARGET"]
            found = 1
            next
        }
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
    cutover)
        rewrite
        resume 'RELOAD;'
        ;;
    resume) resume ;;
    *)
        echo 'usage: pgbouncer.sh pause | cutover | resume' >&2
        exit 2
        ;;
esac
