#!/usr/bin/env bash
# Runs one real Kafka broker (KRaft) in the foreground: start.sh DATA_DIR [PORT [SASL_PORT [CONTROLLER_PORT]]]
# PORT (19092) speaks PLAINTEXT, SASL_PORT SASL_PLAINTEXT with SCRAM-SHA-256 (payledger / payledger).
# The data stay in DATA_DIR: a second start goes on with them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=$(mkdir -p "$1" && cd "$1" && pwd)
port=${2:-19092}
sasl_port=${3:-$((port + 2))}
controller_port=${4:-$((port + 1))}
libs=$("$here/fetch.sh")
java=$("$here/../java-home")/bin/java
cat > "$data/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,SASL_PLAINTEXT://127.0.0.1:$sasl_port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL_PLAINTEXT://127.0.0.1:$sasl_port
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=$data/log
auto.create.topics.enable=false
num.partitions=4
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
log.segment.bytes=16777216
num.network.threads=2
num.io.threads=2
P
run=("$java" -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
  -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$libs/*")
if [ ! -f "$data/log/meta.properties" ]; then
  "${run[@]}" kafka.tools.StorageTool format --ignore-formatted -c "$data/server.properties" \
    -t "$("${run[@]}" kafka.tools.StorageTool random-uuid)" --add-scram 'SCRAM-SHA-256=[name=payledger,password=payledger]'
fi
exec "${run[@]}" kafka.Kafka "$data/server.properties"
