#!/bin/sh
# Makes the certificates of the tests anew: an authority, a server named localhost and 127.0.0.1, a
# client, a client of another authority, and one whose certificate is of version 1. None of the keys guards anything but tests. Valid from
# 2020 to 2120, so that no clock is wrong for them.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cat >"$work/ca.conf" <<CONF
[ca]
default_ca = only
[only]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
organizationName = optional
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1
extendedKeyUsage = serverAuth
[client]
subjectAltName = DNS:prometheus-1.example.org, IP:192.0.2.1, DNS:metrics.example.org
extendedKeyUsage = clientAuth
CONF
: >"$work/index"
certificate() { # name, subject, extensions, authority
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$work/$1.csr" -subj "$2"
    if [ "$1" = "$4" ]; then self=-selfsign; else self="-cert $4.pem"; fi
    # shellcheck disable=SC2086
    openssl ca -config "$work/ca.conf" -batch -notext $self -keyfile "$4.key" -extensions "$3" \
        -startdate 20200101000000Z -enddate 21200101000000Z -in "$work/$1.csr" -out "$1.pem"
}
certificate ca "/CN=tests of vigie" authority ca
certificate other-ca "/CN=another authority" authority other-ca
certificate server "/CN=localhost" server ca
certificate client "/O=NOC/CN=prometheus-1" client ca
certificate stranger "/CN=prometheus-1" client other-ca
# Without extensions it is of version 1; who signed it is never asked.
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout version-1.key -out "$work/version-1.csr" -subj "/CN=prometheus-1"
openssl x509 -req -in "$work/version-1.csr" -signkey version-1.key -days 36500 -out version-1.pem
rm other-ca.key other-ca.pem ca.key
