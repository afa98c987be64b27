#!/bin/sh
# Starts nginx with nchan: `NGINX_ROOT=… start.sh --port 9001 --mode topic`. NGINX_ROOT is where
# Debian's packages were unpacked.
set -eu
port=
while [ $# -gt 0 ]; do
    case "$1 ${2-}" in
        "--port "*) port=$2 ;;
        "--mode topic") ;;
        *) echo "what is \`$*\`?" >&2; exit 2 ;;
    esac
    shift 2
done
run=$NGINX_ROOT/run/$port
mkdir -p "$run"
sed -e "s|{run}|$run|g" -e "s|{port}|$port|g" -e "s|{modules}|$NGINX_ROOT/usr/lib/nginx/modules|g" \
    "$(dirname "$0")/nginx.conf" >"$run/nginx.conf"
# nginx has to be able to make a folder below Debian's own, whatever its configuration says, once this
# module is loaded. It gets a private one, which needs neither root nor an installed nginx.
cd "$run"
exec unshare --map-root-user --mount -- sh -c '
    mount -t tmpfs nginx /var/lib && mkdir /var/lib/nginx
    echo "listening on ws://127.0.0.1:$1"
    exec "$2/usr/sbin/nginx" -p "$3" -c "$3/nginx.conf" -e stderr
' start "$port" "$NGINX_ROOT" "$run"
