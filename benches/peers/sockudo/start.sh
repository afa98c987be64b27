#!/bin/sh
# Starts sockudo, and on the next port a publisher for it: `SOCKUDO=… NODE=… NODE_PATH=… start.sh --port
# 9001 --mode topic`.
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

said=$(mktemp)
"$NODE" "$(dirname "$0")/publisher.js" --port $((port + 1)) --to "$port" >"$said" &
until grep -q listening "$said"; do
    kill -0 $! || exit 1
    sleep 0.02
done
rm "$said"

# One worker, on the core that it is given; nothing that would be exported, logged or limited.
export HOST=127.0.0.1 PORT="$port" TOKIO_WORKER_THREADS=1 RUST_LOG=error METRICS_ENABLED=false
export RATE_LIMITER_ENABLED=false HISTORY_ENABLED=false
app=SOCKUDO_DEFAULT_APP
export ${app}_ID=app-id ${app}_KEY=app-key ${app}_SECRET=app-secret
export ${app}_MAX_CONNECTIONS=1000000 ${app}_MAX_EVENT_BATCH_SIZE=1000
export ${app}_MAX_BACKEND_EVENTS_PER_SECOND=4000000000 ${app}_MAX_CLIENT_EVENTS_PER_SECOND=4000000000
# Its configuration is looked for below the working directory; here is none.
cd "$(dirname "$SOCKUDO")"
exec "$SOCKUDO"
