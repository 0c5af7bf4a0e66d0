#!/bin/sh
# Services of systemd around a cutover.
#
#   export SERVICES='shop-web shop-worker'  SERVICE_ENV=/etc/shop/database.env
#   export SERVICE_TARGET='DATABASE_URL=postgresql://new.example/shop'
#   pgl-cutover --yes --block hook \
#       --hook-blocked  'scripts/hooks/systemd.sh stop' \
#       --hook-promoted 'scripts/hooks/systemd.sh cutover' \
#       --hook-restored 'scripts/hooks/systemd.sh start'
set -eu

: "${SERVICES:?names of the services}"

# SERVICES is a list of names: it is meant to be split.
# shellcheck disable=SC2086
case "${1:-}" in
    stop) systemctl stop $SERVICES ;;
    start) systemctl start $SERVICES ;;
    cutover)
        : "${SERVICE_ENV:?file that the services read}"
        : "${SERVICE_TARGET:?its new content}"
        # The first copy stays: pgl-cutover resume runs this again.
        [ -e "$SERVICE_ENV.before-cutover" ] || cp -p "$SERVICE_ENV" "$SERVICE_ENV.before-cutover"
        printf '%s\n' "$SERVICE_TARGET" >"$SERVICE_ENV"
        systemctl start $SERVICES
        ;;
    *)
        echo 'usage: systemd.sh stop | start | cutover' >&2
        exit 2
        ;;
esac
