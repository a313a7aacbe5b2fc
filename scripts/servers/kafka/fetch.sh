#!/usr/bin/env bash
# Fetches the jars of a Kafka broker from Maven Central, unless they are here, and prints their folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
libs=$("$here/../cache-dir")/kafka-$version
if [ ! -d "$libs" ]; then
  echo "fetching Kafka $version" >&2
  part=$(mktemp -d "$libs.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  JAVA_HOME=$("$here/../java-home")
  export JAVA_HOME
  mvn -q -B -Dstyle.color=never -f "$here/pom.xml" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$part" >&2
  chmod 755 "$part"
  mv "$part" "$libs"
fi
echo "$libs"
