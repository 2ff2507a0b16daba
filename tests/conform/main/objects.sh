#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Volumes, networks, projects, operations, the node, completion, help.
. tests/conform/lib.sh
need_daemon
need_busybox

check "volume create" 0 '' trine volume create -l keep=yes data
check "volume ls" 0 '^data ' trine volume ls
check "a second of that name" 5 'data' trine volume create data
check "an instance writes to it" 0 '' trine run --rm -v data:/srv busybox sh -c 'echo kept > /srv/file'
check "another reads it" 0 '^kept$' trine run --rm -v data:/srv:ro busybox cat /srv/file
trine create --name user -v data:/srv busybox true >/dev/null
check "volume inspect" 0 '"user"' trine volume inspect data
check "rm of one in use" 6 'data' trine volume rm data
trine rm user >/dev/null
check "volume rm" 0 '' trine volume rm data
check "rm of what is not there" 4 'data' trine volume rm data
is "its folder is gone" 0 "$(find "$T/state/volumes" -mindepth 1 -maxdepth 1 -name '[0-9a-f]*' 2>/dev/null | wc -l)"
check "a mount of a volume that is not there" 125 'missing' trine run --rm -v missing:/srv busybox true

check "network ls" 0 '^none ' trine network ls
check "network inspect" 0 '"host"' trine network inspect host
check "network create waits for its drivers" 12 '' trine network create lan

check "project create" 0 '' trine project create --description 'for tests' lab
check "project ls" 0 '^lab ' trine project ls
check "project inspect" 0 'for tests' trine project inspect lab
check "project edit" 0 '' trine project edit -l colour=red lab
is "edited" red "$(trine project inspect lab | json labels.colour)"
check "the same name in another project" 0 '' sh -c 'trine create --name twin busybox true && trine --project lab create --name twin busybox true'
check "all projects" 0 'lab' trine ps -a -A
check "rm of one that is not empty" 6 'lab' trine project rm lab
check "rm of default" 6 'default' trine project rm default
check "emptied" 0 '' trine --project lab rm twin
check "project rm" 0 '' trine project rm lab
check "a project that is not there" 4 'lab' trine --project lab ps
trine rm twin >/dev/null

check "operation ls" 0 'image\.|instance\.' trine operation ls
operation=$(trine operation ls --format json | json 0.id)
check "operation inspect" 0 '"done"|"failed"' trine operation inspect "$operation"
check "operation wait" 0 '' trine operation wait "$operation"
check "cancel of an ended one" 6 '' trine operation cancel "$operation"
check "one that is not there" 4 '' trine operation inspect 00000000000000000000000000000000
operation=$(get /v1/images/build -X POST -H 'Content-Type: application/json' -d '{"from":"debian","suite":"bookworm","name":"never"}' | json id)
sleep 0.5
check "cancel of one under way" 0 '' trine operation cancel "$operation"
becomes "it is cancelled" 20 sh -c "trine operation inspect '$operation' | grep -q '\"cancelled\"'"
check "and made no image" 4 'never' trine image inspect never

check "node" 0 'container' trine node
check "doctor" 0 'container' trine doctor
check "doctor as json" 0 '"container"' trine doctor --format json
check "version" 0 '0\.1\.0' trine version
check "openapi" 0 '"openapi": *"3\.1' trine openapi
check "metrics" 0 '^trine_' trine metrics
check "help" 0 '^Usage: trine' trine help
check "help of a command" 0 '^Usage: trine run' trine help run
check "an unknown command" 2 'frob' trine frob
check "a near miss is told" 2 'inspect' trine inspct
for shell in bash zsh fish; do
    check "completion for $shell" 0 'trine' trine completion "$shell"
done
trine create --name complete-me busybox true >/dev/null
check "live names" 0 '^complete-me' trine __complete instances comp
for noun in run ps exec; do
    check "manual page of $noun" 0 'NAME|SH' cat "$TRINE_BUILD/api/man1/trine-$noun.1"
done
