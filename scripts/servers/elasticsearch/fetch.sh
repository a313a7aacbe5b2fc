#!/usr/bin/env bash
# Fetches the Elasticsearch server from Maven Central, unless it is here, and prints its folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's:.*<es.version>\(.*\)</es.version>.*:\1:p' "$here/pom.xml")
home=$("$here/../cache-dir")/elasticsearch-$version
if [ ! -d "$home" ]; then
  echo "fetching Elasticsearch $version" >&2
  part=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  JAVA_HOME=$("$here/../java-home")
  export JAVA_HOME
  mvn -q -B -Dstyle.color=never -f "$here/pom.xml" -Ddist="$part" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack >&2
  chmod -R a+rX "$part"
  chmod a+x "$part/elasticsearch-$version"/bin/*
  mv "$part/elasticsearch-$version" "$home"
fi
echo "$home"
