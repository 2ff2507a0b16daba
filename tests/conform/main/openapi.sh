#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# budget: 240
# The served document by a validator from npm, and live answers against it; metrics by promtool.
. tests/conform/lib.sh
need_daemon
need_busybox
I=/v1/projects/default/instances
trine run -d --name web -m 64M -l a=b busybox sleep 1000 >/dev/null
trine run --name ended busybox sh -c 'exit 3' >/dev/null
trine volume create data >/dev/null

get /v1/openapi.json >"$T/openapi.json"
mkdir "$T/answers"
save() { # NAME PATH OPERATION STATUS
    get "$2" >"$T/answers/$1.json"
    echo "$1 $3 $4" >>"$T/answers/list"
}
save version /v1/version version.get 200
save node /v1/node node.get 200
save projects /v1/projects project.list 200
save project /v1/projects/default project.get 200
save instances $I instance.list 200
save all /v1/instances instance.list_all 200
save running $I/web instance.get 200
save exited $I/ended instance.get 200
save stats $I/web/stats instance.stats 200
save top $I/web/top instance.top 200
save nobody $I/nobody instance.get 404
save wrong "$I?colour=red" instance.list 400
save images /v1/images image.list 200
save image /v1/images/busybox image.get 200
save volumes /v1/projects/default/volumes volume.list 200
save volume /v1/projects/default/volumes/data volume.get 200
save networks /v1/projects/default/networks network.list 200
save network /v1/projects/default/networks/none network.get 200
save operations /v1/operations operation.list 200
save operation "/v1/operations/$(trine operation ls --format json | json 0.id)" operation.get 200
save events /v1/events event.list 200

modules=$(dirname "$TRINE_BUILD")/openapi
mkdir -p "$modules"
cp tests/openapi/package.json tests/openapi/package-lock.json tests/openapi/check.mjs "$modules/"
if [ ! -d "$modules/node_modules/ajv" ]; then
    run npm ci --prefix "$modules" --no-audit --no-fund --ignore-scripts
    [ "$STATUS" = 0 ] || shown
fi
if [ -d "$modules/node_modules/ajv" ]; then
    node "$modules/check.mjs" "$T/openapi.json" "$T/answers" || BROKEN=1
else
    not_ok "validator" "npm cannot fetch it"
fi

get /metrics >"$T/metrics.txt"
check "promtool likes the Prometheus form" 0 '' sh -c "promtool check metrics <'$T/metrics.txt'"
get /metrics -H 'Accept: application/openmetrics-text; version=1.0.0' -D "$T/head" >"$T/open.txt"
check "OpenMetrics is served" 0 'application/openmetrics-text' cat "$T/head"
is "and ends as it must" '# EOF' "$(tail -n 1 "$T/open.txt")"
is "its counters end in _total" "" "$(awk '$2 == "TYPE" && $4 == "counter" { n[$3 "_total"] = 1 } $2 == "TYPE" && $4 != "counter" { g[$3] = 1 }
    !/^#/ { sub(/[{ ].*/, ""); if (!($0 in n) && !($0 in g)) print }' "$T/open.txt")"
check "it counts instances" 0 '^trine_instances.*1$' cat "$T/metrics.txt"
