#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An ordinary user, without any right: a user namespace of one id, no control group.
# shellcheck disable=SC2154 source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v setpriv >/dev/null || { skip "all" "no setpriv(1)"; finish; }
mkdir "$work/user" && cp "$(command -v "$runtime")" "$work/user/runtime" && cp -a "$work/rootfs" "$work/user/rootfs"
chmod 755 "$work" && chown -R 54321:54321 "$work/user"
as_user() { (cd "$work/user" && timeout 30 setpriv --reuid 54321 --regid 54321 --clear-groups env XDG_RUNTIME_DIR="$work/user/run" ./runtime "$@" </dev/null 2>&1); }
setpriv --reuid 54321 --regid 54321 --clear-groups mkdir "$work/user/run"
if ! setpriv --reuid 54321 --regid 54321 --clear-groups unshare -U true 2>/dev/null; then
    skip "all" "this host gives ordinary users no user namespaces"
    finish
fi
configure() {
    rm -f "$work/user/config.json"
    as_user spec --rootless
    python3 - "$work/user/config.json" "$@" <<'PY'
import json, sys
c = json.load(open(sys.argv[1])); c["process"]["terminal"] = False; c["process"]["args"] = sys.argv[2:]
json.dump(c, open(sys.argv[1], "w"))
PY
}
configure sh -c 'id -u; tr -s " " </proc/self/uid_map; echo x >/dev/null && echo dev; exit 6'
out=$(as_user run one); code=$?
has "a rootless run" "$(echo "$out" | tr '\n' ' ')" "54321 1 dev"
same "its exit code" "$code" 6
configure sleep 100
as_user run -d two >/dev/null; same "a rootless run --detach" $? 0
same "a rootless exec" "$(as_user exec two id -u)" 0
has "a rootless list" "$(as_user list)" running
as_user exec two nosuch >/dev/null; same "a rootless exec of a missing program" $? 127
as_user delete --force two >/dev/null; same "a rootless delete" $? 0
same "no rootless state is left" "$(as_user list -q)" ""
finish
