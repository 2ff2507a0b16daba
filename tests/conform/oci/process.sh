#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the program finds: user, environment, limits, capabilities, descriptors, terminal.
# shellcheck disable=SC2154 source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

bundle 'sh("hostname; echo $$; pwd; umask")' 'c["process"]["cwd"] = "/new/dir"'
same "hostname, pid 1, a working directory that is made, umask" "$(run | tr '\n' ' ')" "test 1 /new/dir 0022 "
bundle 'c["domainname"] = "example"' 'sh("cat /proc/sys/kernel/domainname")'
same "domainname" "$(run)" "example"
bundle 'sh("id -u; id -g; id -G; umask")' 'c["process"]["user"] = {"uid": 7, "gid": 8, "additionalGids": [9, 10], "umask": 63}'
same "user ids and umask" "$(run | tr '\n' ' ')" "7 8 8 9 10 0077 "
bundle 'sh("id -u; id -G; echo $HOME")' 'c["annotations"] = {"org.trine.user": "alice"}'
same "a user by name" "$(run | tr '\n' ' ')" "1000 1000 10 50 /home/alice "
bundle 'sh("id -u; id -G")' 'c["annotations"] = {"org.trine.user": "alice:staff"}'
same "a user and a group by name" "$(run | tr '\n' ' ')" "1000 50 "
bundle 'c["annotations"] = {"org.trine.user": "mallory"}'
has "an unknown user is refused" "$(run)" '"mallory" is not in the container'"'"'s /etc/passwd'
bundle 'c["annotations"] = {"org.trine.user": "bad"}'
printf 'root:x:0:0::/:/bin/sh\nbad:x:abc:0::/:/bin/sh\n' >"$b/rootfs/etc/passwd"
has "a broken line is named" "$(run)" "/etc/passwd: line 2"
bundle 'sh("env | grep -v ^_ | sort")' 'c["process"]["env"] = ["A=1", "PATH=/bin"]'
same "the environment is exact, with HOME" "$(run | grep -Ev '^(SHLVL|PWD)' | tr '\n' ' ')" "A=1 HOME=/root PATH=/bin "

bundle 'sh("grep -E ^Cap /proc/self/status | cut -f 2")' \
    'c["process"]["capabilities"] = {"bounding": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL", "CAP_CHOWN"]}'
same "capability sets" "$(run | tr '\n' ' ')" "0000000000000000 0000000000000021 0000000000000021 0000000000000021 0000000000000000 "
bundle 'sh("grep -E ^Cap /proc/self/status | cut -f 2")' 'c["process"]["user"]["uid"] = 1000' \
    'k = ["CAP_KILL"]; c["process"]["capabilities"] = {"bounding": k, "effective": k, "permitted": k, "inheritable": k, "ambient": k}'
same "ambient capabilities reach a plain user" "$(run | sort -u | tr '\n' ' ')" "0000000000000020 "
bundle 'c["process"]["capabilities"]["bounding"] = ["CAP_NOSUCH", "CAP_KILL"]'
has "an unknown capability is a warning" "$(run)" "CAP_NOSUCH"
bundle 'sh("grep NoNewPrivs /proc/self/status | cut -f 2")'
same "no new privileges" "$(run)" 1
bundle 'c["process"]["noNewPrivileges"] = False' 'sh("grep -E \"NoNewPrivs|Seccomp:\" /proc/self/status | cut -f 2")' \
    'c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
same "seccomp without no-new-privileges" "$(run | tr '\n' ' ')" "0 2 "
bundle 'sh("mkdir /tmp/x")' \
    'c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
has "a filtered call gives its errno" "$(run)" "No space left"
has "and again from the kept filter" "$(rt run -b "$b" "$id-2" </dev/null 2>&1)" "No space left"
check "the filter is kept" sh -c "ls '$state/.cache' | grep -q bpf"
bundle 'c["annotations"] = {"org.trine.seccomp": "default"}' 'sh("grep Seccomp: /proc/self/status | cut -f 2; unshare -m true; mount -t tmpfs x /tmp; ls /bin | wc -l; (sleep 0.01 &); echo done")'
out=$(run)
has "the built-in profile filters" "$(echo "$out" | head -1)" 2
has "the built-in profile refuses namespaces" "$out" "not permitted"
has "the built-in profile lets ordinary programs run" "$out" "done"

bundle 'sh("ulimit -n; ulimit -Hn")' 'c["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]'
same "resource limits" "$(run | tr '\n' ' ')" "100 200 "
bundle 'sh("echo went on")' 'c["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 99999999, "hard": 99999999}]'
has "a limit that cannot be raised is no failure" "$(run)" "went on"
bundle 'sh("cat /proc/self/oom_score_adj")' 'c["process"]["oomScoreAdj"] = 300'
same "oom score" "$(run)" 300
bundle 'sh("echo went on")' 'c["process"]["oomScoreAdj"] = -900'
has "an oom score without the right to it is no failure" "$(run)" "went on"
bundle 'sh("uname -m")' 'c["linux"]["personality"] = {"domain": "LINUX32"}'
[ "$(uname -m)" = x86_64 ] && same "personality" "$(run)" i686

bundle 'sh("ls /proc/self/fd | wc -l; ls -l /proc/self/fd")'
same "no descriptor leaks" "$(run 7</etc/passwd 8>/dev/null | head -1)" 4
bundle 'sh("cat <&3")'
echo kept >"$work/kept"
same "preserved descriptors arrive" "$(rt run --preserve-fds 1 -b "$b" "$id" 3<"$work/kept" </dev/null 2>&1)" kept
rt run --preserve-fds 2 -b "$b" "$id" 3<"$work/kept" </dev/null 2>"$work/err"; has "a preserved descriptor that is not open is refused" "$(cat "$work/err")" "descriptor 4 is not open"

bundle 'c["process"]["terminal"] = True' 'c["process"]["consoleSize"] = {"height": 33, "width": 99}' 'sh("tty; stty size; ls -l /dev/console | cut -c1")'
out=$(python3 - "$runtime" "$state" "$b" "$id" <<'PY'
import array, os, socket, subprocess, sys
runtime, state, bundle, ident = sys.argv[1:]
path = bundle + "/console.sock"
server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen(1)
subprocess.run([runtime, "--root", state, "create", "-b", bundle, "--console-socket", path, ident], check=True, timeout=20)
peer, _ = server.accept()
_, control, _, _ = peer.recvmsg(64, socket.CMSG_SPACE(4))
master = array.array("i", control[0][2])[0]
subprocess.run([runtime, "--root", state, "start", ident], check=True, timeout=20)
text = b""
try:
    while chunk := os.read(master, 1000): text += chunk
except OSError: pass
sys.stdout.write(text.decode().replace("\r", ""))
PY
)
same "a terminal over the console socket" "$(echo "$out" | tr '\n' ' ')" "/dev/pts/0 33 99 c "
bundle 'c["process"]["terminal"] = True'
rt create -b "$b" "$id" </dev/null 2>"$work/err"; has "a terminal without a holder is refused" "$(cat "$work/err")" "console-socket"
if command -v script >/dev/null; then
    bundle 'c["process"]["terminal"] = True' 'sh("tty; exit 5")'
    out=$(script -qec "$runtime --root $state run -b $b $id" /dev/null </dev/null 2>&1; echo "code $?")
    has "run with a terminal" "$out" "/dev/pts/0"
    has "run with a terminal gives the exit code" "$out" "code 5"
else
    skip "run with a terminal" "no script(1)"
fi
finish
