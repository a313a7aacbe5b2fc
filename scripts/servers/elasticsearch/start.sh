#!/usr/bin/env bash
# Runs one real Elasticsearch node in the foreground: start.sh DATA_DIR [PORT [TRANSPORT_PORT]]
# HTTP on 127.0.0.1:PORT (19200). With ELASTIC_PASSWORD set, security is on and that is the password of user elastic.
# Elasticsearch refuses to run as root: then it runs as $ES_USER (postgres, else nobody), who must reach DATA_DIR.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=$(mkdir -p "$1" && cd "$1" && pwd)
port=${2:-19200}
transport_port=${3:-$((port + 100))}
home=$("$here/fetch.sh")
mkdir -p "$data"/{config,data,logs,tmp}
cp -r "$home"/config/. "$data/config/"
security=false
[ -z "${ELASTIC_PASSWORD:-}" ] || security=true
cat > "$data/config/elasticsearch.yml" <<Y
cluster.name: payledger
node.name: n1
discovery.type: single-node
network.host: 127.0.0.1
http.port: $port
transport.port: $transport_port
path.data: $data/data
path.logs: $data/logs
cluster.routing.allocation.disk.threshold_enabled: false
xpack.security.enabled: $security
xpack.security.http.ssl.enabled: false
xpack.security.transport.ssl.enabled: false
xpack.security.authc.api_key.enabled: $security
Y
ES_JAVA_HOME=$("$here/../java-home")
# For a server of minutes the second compiler never pays: without it, and with one collector thread, tests cost half of its CPU.
ES_JAVA_OPTS="-Xms512m -Xmx512m -XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC"
export ES_JAVA_HOME ES_JAVA_OPTS ES_PATH_CONF=$data/config ES_TMPDIR=$data/tmp
export CLI_JAVA_OPTS="-Djava.io.tmpdir=$data/tmp" # the launcher's own files
as=()
if [ "$(id -u)" = 0 ]; then
  user=${ES_USER:-$(id -un postgres 2>/dev/null || echo nobody)}
  chown -R "$user" "$data"
  as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
fi
if $security; then
  keystore=(${as[@]+"${as[@]}"} "$home/bin/elasticsearch-keystore")
  [ -f "$data/config/elasticsearch.keystore" ] || "${keystore[@]}" create
  printf %s "$ELASTIC_PASSWORD" | "${keystore[@]}" add -x -f bootstrap.password
fi
cd "$data"
exec ${as[@]+"${as[@]}"} "$home/bin/elasticsearch"
