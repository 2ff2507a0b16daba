#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The API by curl: ETags, errors, what is refused before it reaches a handler.
. tests/conform/lib.sh
need_daemon
need_busybox
I=/v1/projects/default/instances
post() { # PATH BODY [FLAG…]
    path=$1 body=$2
    shift 2
    get "$path" -X POST -H 'Content-Type: application/json' -d "$body" -w '\n%{http_code}\n' "$@"
}

check "create" 0 '^201$' post $I '{"name":"web","image":"busybox","args":["sleep","1000"]}'
tag=$(get $I/web -o /dev/null -D - | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')
check "an ETag" 0 '^"[0-9]+"$' echo "$tag"
patch() { get $I/web -X PATCH -H 'Content-Type: application/merge-patch+json' -H "If-Match: $1" -d "$2" -w '\n%{http_code}\n'; }
check "edit by the ETag" 0 '^200$' patch "$tag" '{"labels":{"a":"1"}}'
check "edit by an old one" 0 '^412$' patch "$tag" '{"labels":{"a":"2"}}'
is "and nothing changed" 1 "$(field web labels.a)"
check "delete by an old one" 0 '^412$' get $I/web -X DELETE -H "If-Match: $tag" -w '\n%{http_code}\n'
check "start waits" 0 '"state": *"done"' get "$I/web/start?wait=10" -X POST
check "start without waiting gives an operation" 0 '^202$' get "$I/web/restart" -X POST -w '\n%{http_code}\n'
eventually 15 state_is web running
check "delete of a running one" 0 '^409$' get "$I/web?wait=5" -X DELETE -w '\n%{http_code}\n'

check "problem+json" 0 'application/problem\+json' get $I/nobody -D -
for member in kind object cause next title status; do
    check "a problem's $member" 0 "\"$member\":" get $I/nobody
done
check "its kind" 0 '"kind": *"not-found"' get $I/nobody

refused() { # NAME STATUS WORD BODY
    check "$1" 0 "^$2\$" post $I "$4"
    if grep -q "$3" "$OUT"; then ok "$1 names $3"; else shown; not_ok "$1 names $3" "it does not"; fi
}
refused "an unknown member" 400 colour '{"image":"busybox","colour":"red"}'
refused "a wrong type" 400 args '{"image":"busybox","args":"true"}'
refused "a missing member" 400 image '{"name":"x"}'
refused "a nested wrong type" 400 memory_bytes '{"image":"busybox","limits":{"memory_bytes":"much"}}'
refused "a number out of range" 400 pids '{"image":"busybox","limits":{"pids":-5}}'
refused "no JSON" 400 JSON '{"image":'
refused "a name with a slash" 400 name '{"name":"a/b","image":"busybox"}'
refused "a name of dots" 400 name '{"name":"..","image":"busybox"}'
refused "a name with a control character" 400 name '{"name":"a\u0007b","image":"busybox"}'
refused "a long name" 400 name "{\"name\":\"$(printf 'x%.0s' $(seq 300))\",\"image\":\"busybox\"}"
refused "an image that is not there" 404 absent '{"image":"absent"}'
refused "a name that is taken" 409 web '{"name":"web","image":"busybox"}'
refused "a list at the top" 400 '' '[]'
check "deep nesting" 0 '^400$' post $I "$(python3 -c 'print("[" * 100000)')"
head -c 30000000 /dev/zero | tr '\0' ' ' >"$T/large"
check "a huge body" 0 '^413$' get $I -X POST -H 'Content-Type: application/json' --data-binary "@$T/large" -w '\n%{http_code}\n'
check "another content type" 0 '^4(00|15)$' get $I -X POST -H 'Content-Type: text/xml' -d '<a/>' -w '\n%{http_code}\n'
check "an unknown path" 0 '^404$' get /v1/nothing -w '\n%{http_code}\n'
check "another method" 0 '^405$' get /v1/node -X POST -d '' -w '\n%{http_code}\n'
check "a path with .." 0 '^40[04]$' get "$I/..%2f..%2fetc" -w '\n%{http_code}\n'
check "an unknown query parameter" 0 '^400$' get "$I?colour=red" -w '\n%{http_code}\n'
check "a wrong query parameter" 0 '^400$' get "$I/web/start?wait=soon" -X POST -w '\n%{http_code}\n'
python3 - "$SOCKET" <<'EOF'
import socket, sys
for text in (b"GET /v1/node HTTP/1.1\r\nHo", b"\x00" * 5000, b"GET " + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", b"POST /v1/projects HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    try:
        s.sendall(text)
        s.settimeout(0.5)
        s.recv(1000)
    except OSError:
        pass
    s.close()
EOF
check "it answers after all that" 0 '"node"' get /v1/node
is "and only one instance is there" 1 "$(trine ps -a -q | wc -l)"

check "a second daemon is refused" 6 "$T/|already|another" timeout -s KILL 20 trine daemon --state "$T/state" --run "$T/run2"
[ "$STATUS" != 0 ] && ok "with an error" || not_ok "with an error" "it started"
check "and on the same run folder" "$STATUS" '' timeout -s KILL 20 trine daemon --state "$T/state2" --run "$T/run"
check "the first one still answers" 0 '' trine node
