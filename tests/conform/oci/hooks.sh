#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The six kinds of hooks: order, input, environment, failure.
# shellcheck disable=SC2154 source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

hook() { # PATH NAME: a program that notes its name and the state that it is given
    printf '#!/bin/sh\nread -r line\necho "%s $(echo "$line" | sed "s/.*\\"status\\":\\"\\([a-z]*\\)\\".*/\\1/")" >>"%s"\n' "$2" "$3" >"$1"
    chmod +x "$1"
}
kinds="prestart createRuntime createContainer startContainer poststart poststop"
bundle 'd = sys.argv[1].rsplit("/", 1)[0]' \
    'c["hooks"] = {k: [{"path": ("/hooks/" if k == "startContainer" else d + "/hooks/") + k}] for k in "'"$kinds"'".split()}' \
    'c["mounts"].append(mount("/hooks", "bind", "hooks", "bind"))' 'sh("echo program run >>/hooks/log")'
mkdir "$b/hooks"
for kind in $kinds; do
    log=$b/hooks/log; [ $kind = startContainer ] && log=/hooks/log
    hook "$b/hooks/$kind" $kind "$log"
done
rt create -b "$b" "$id" </dev/null
same "hooks of create" "$(tr '\n' ',' <"$b/hooks/log")" "prestart creating,createRuntime creating,createContainer creating,"
rt start "$id"
tries=0; while [ $tries -lt 100 ] && ! grep -q program "$b/hooks/log"; do sleep 0.02; tries=$((tries + 1)); done
has "hooks of start" "$(tr '\n' ',' <"$b/hooks/log")" "startContainer created,"
has "poststart" "$(cat "$b/hooks/log")" "poststart running"
rt delete --force "$id"
same "poststop" "$(tail -1 "$b/hooks/log")" "poststop stopped"

for kind in prestart createRuntime createContainer startContainer; do
    bundle 'c["hooks"] = {"'$kind'": [{"path": "/bin/false"}]}' 'sh("touch /ran")'
    out=$(run); code=$?
    has "a failing $kind hook is named" "$out" "$kind hook ended with exit code 1"
    same "a failing $kind hook fails the run" "$code" 1
    check "after a failing $kind hook the program never ran" test ! -e "$b/rootfs/ran"
done
bundle 'c["hooks"] = {"prestart": [{"path": "/bin/sleep", "args": ["sleep", "20"], "timeout": 1}]}'
has "a hook that hangs is ended" "$(run)" "did not end within 1 s"
bundle 'c["hooks"] = {"prestart": [{"path": "/bin/sh", "args": ["sh", "-c", "echo $A $# >'"$work"'/hook-out", "x", "y"], "env": ["A=b"]}]}'
run >/dev/null; same "arguments and environment of a hook" "$(cat "$work/hook-out")" "b 1"
bundle 'c["hooks"] = {"prestart": [{"path": "relative"}]}'
has "a relative hook path is refused" "$(run)" "not absolute"
bundle 'c["hooks"] = {"poststop": [{"path": "/bin/false"}]}' 'sh("echo fine")'
has "a failing poststop hook is a warning" "$(run)" fine
finish
