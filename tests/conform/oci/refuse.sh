#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Bad input: each case its own words, and nothing left behind.
# shellcheck disable=SC2154 source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

fails() { # NAME WORDS STATEMENT...
    name=$1 words=$2; shift 2
    bundle "$@"
    out=$(run); code=$?
    case $out in *"$words"*) [ $code -ne 0 ] && ok "$name" || not_ok "$name" "exit code 0" ;; *) not_ok "$name" "no '$words' in '$out'" ;; esac
    [ -d "$state/$id" ] && not_ok "$name leaves no state" "$state/$id"
    left=$(find /sys/fs/cgroup -maxdepth 4 -type d -name "$id"); [ -z "$left" ] || not_ok "$name leaves no control group" "$left"
}
fails "a missing root" "cannot use" 'c["root"]["path"] = "nowhere"'
fails "a root that is a file" "is not a directory" 'c["root"]["path"] = "config.json"'
fails "no process" "process is missing" 'del c["process"]'
fails "no arguments" "process.args is empty" 'c["process"]["args"] = []'
fails "a relative working directory" "not an absolute path" 'c["process"]["cwd"] = "tmp"'
fails "a wrong type" "process.args[1] is a whole number, expected a string" 'c["process"]["args"] = ["/bin/true", 5]'
fails "a wrong type deep down" "linux.resources.pids.limit is a string, expected a whole number" 'c["linux"]["resources"]["pids"] = {"limit": "9"}'
fails "a negative id" "process.user.uid is -1" 'c["process"]["user"]["uid"] = -1'
fails "a bad environment" "process.env[0]" 'c["process"]["env"] = ["NOEQUALS"]'
fails "an unknown namespace" "unknown type" 'c["linux"]["namespaces"].append({"type": "moon"})'
fails "a namespace path of another kind" "is not a network namespace" 'c["linux"]["namespaces"] = [{"type": "mount"}, {"type": "network", "path": "/proc/self/ns/ipc"}]'
fails "mappings without a user namespace" "need a user namespace" 'c["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]'
fails "a user namespace without mappings" "needs uidMappings" 'c["linux"]["namespaces"].append({"type": "user"})'
fails "an unknown seccomp action" "SCMP_ACT_DANCE" 'c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_DANCE"}'
fails "an unknown rlimit" "RLIMIT_FUN" 'c["process"]["rlimits"] = [{"type": "RLIMIT_FUN", "soft": 1, "hard": 1}]'
fails "a soft limit above the hard one" "above its hard" 'c["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 1}]'
fails "a cgroup path that climbs" "not usable" 'c["linux"]["cgroupsPath"] = "/a/../../b"'
fails "a hostname without uts namespace" "uts namespace" 'c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "uts"]'
fails "a personality of another world" "neither LINUX" 'c["linux"]["personality"] = {"domain": "BSD"}'
fails "an unknown device type" "is no device type" 'c["linux"]["devices"] = [{"type": "x", "path": "/dev/x", "major": 1, "minor": 1}]'
fails "a propagation of no kind" "rootfsPropagation" 'c["linux"]["rootfsPropagation"] = "sideways"'
fails "a version of the future" "not supported" 'c["ociVersion"] = "9.0.0"'

bundle 'c["process"]["args"] = ["nosuch"]'; out=$(run); code=$?
same "a missing program is 127" "$code" 127
has "a missing program is named" "$out" "nosuch: executable file not found"
bundle 'c["process"]["args"] = ["/etc/passwd"]'; run >/dev/null; same "a file that is no program is 126" $? 126
bundle 'c["process"]["args"] = ["/bin"]'; run >/dev/null; same "a directory is 126" $? 126
bundle 'c["process"]["args"] = ["/script"]'; printf '#!/no/interpreter\n' >"$b/rootfs/script"; chmod +x "$b/rootfs/script"; run >/dev/null; same "a script without interpreter is 126" $? 126

bundle; echo '{"ociVersion": "1.0.2", ' >"$b/config.json"; has "broken JSON has a place" "$(run)" "line 2"
bundle; rm "$b/config.json"; has "a bundle without config.json" "$(run)" "config.json"
bundle; printf '[]' >"$b/config.json"; has "a document of another kind" "$(run)" "expected an object"
bundle; head -c 17000000 /dev/zero | tr '\0' ' ' >"$b/config.json"; check "a huge config.json is refused" sh -c "! '$runtime' --root '$state' run -b '$b' '$id' </dev/null"
bundle; python3 -c "print('['*100000)" >"$b/config.json"; has "a deep config.json is refused" "$(run)" "config.json"
for bad in "" .. a/b "$(printf 'a\nb')" 'a b'; do
    rt run -b "$b" "$bad" </dev/null >/dev/null 2>"$work/err"; has "the id '$(printf %s "$bad" | tr '\n' _)' is refused" "$(cat "$work/err")" "not valid"
done
rt run --nonsense x >/dev/null 2>"$work/err"; has "an unknown option is named" "$(cat "$work/err")" "--nonsense"
rt dance >/dev/null 2>"$work/err"; has "an unknown command is named" "$(cat "$work/err")" "dance"
rt start >/dev/null 2>"$work/err"; has "a missing id is named" "$(cat "$work/err")" "id is missing"
rt kill nobody-here >/dev/null 2>"$work/err"; has "an unknown container" "$(cat "$work/err")" "does not exist"
"$runtime" --root "$state" --log "$work/log" --log-format json state nobody-here >/dev/null 2>&1
check "the log is JSON with level and msg" python3 -c "import json; e = json.loads(open('$work/log').readline()); assert e['level'] == 'error' and 'does not exist' in e['msg']"

bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
rt create -b "$b" "$id" </dev/null
printf '{"version":99,"pid":1,"startTime":1,"created":1,"owner":0,"id":"x","bundle":"","rootfs":"","cgroupPath":"","freezer":""}' >"$work/new"
cp "$state/$id/state.json" "$work/old"; cp "$work/new" "$state/$id/state.json"
has "a state of another version is refused" "$(rt state "$id" 2>&1)" "version 99"
cp "$work/old" "$state/$id/state.json"
rt delete --force "$id"
finish
