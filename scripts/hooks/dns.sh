#!/bin/sh
# A name in DNS that clients connect to, changed by whatever command changes it where you are:
#
#   export DNS_UPDATE='nsupdate -k /etc/bind/update.key'  DNS_NAME=db.example.  DNS_TARGET=192.0.2.7
#   pgl-cutover --yes --hook-promoted 'scripts/hooks/dns.sh'
#
# Give the name a short time to live some days before. Clients that keep an address open find the
# source closed and connect again.
set -eu

: "${DNS_UPDATE:?command that takes an update on its standard input}"
: "${DNS_NAME:?name}"
: "${DNS_TARGET:?address of the target}"

sh -c "$DNS_UPDATE" <<END
update delete $DNS_NAME A
update add $DNS_NAME ${DNS_TTL:-60} A $DNS_TARGET
send
END
