#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ways out that runtimes have had. Each case would change or show something of the host.
# shellcheck disable=SC2154 source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# A link of the image in place of a mount target leads, inside the root, to nowhere on the host.
bundle 'c["mounts"].append(mount("/evil/dir", "bind", "data", "bind"))' 'sh("echo in")'
mkdir "$b/data" "$work/outside"; touch "$b/data/marker"; ln -s "$work/outside" "$b/rootfs/evil"
same "a mount target behind an absolute link" "$(run)" in
check "nothing was made on the host" test ! -e "$work/outside/dir"
bundle 'c["mounts"].append(mount("/evil", "bind", "data/f", "bind"))'
mkdir "$b/data"; echo x >"$b/data/f"; ln -s "../../../../../../../../../../$work/outside/made" "$b/rootfs/evil"
run >/dev/null; check "a relative link does not climb" test ! -e "$work/outside/made"
bundle 'c["linux"]["devices"] = [{"type": "c", "path": "/dev/out/node", "major": 1, "minor": 3}]' 'c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev"]'
ln -s "$work/outside" "$b/rootfs/dev/out"; run >/dev/null
check "a device does not leave the root" test ! -e "$work/outside/node"
bundle 'c["process"]["cwd"] = "/evil/cwd"'
ln -s "$work/outside" "$b/rootfs/evil"; run >/dev/null
check "the working directory is not made outside" test ! -e "$work/outside/cwd"

# CVE-2019-16884, CVE-2023-27561: links that keep masks and labels away.
bundle 'c["mounts"] = [mount("/tmp/p", "tmpfs", "tmpfs"), mount("/proc", "proc", "proc")]' 'sh("echo in")'
rmdir "$b/rootfs/proc"; ln -s tmp/p "$b/rootfs/proc"
has "/proc as a link is refused" "$(run)" "symbolic link"
bundle 'c["mounts"].append(mount("/vol", "tmpfs", "tmpfs"))' 'sh("echo in")'
ln -s /proc/sys "$b/rootfs/vol"
has "a volume behind a link into /proc is refused" "$(run)" "into /proc"
bundle 'c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev"]' 'sh("echo in")'
rm -rf "$b/rootfs/dev"; mkdir "$b/rootfs/dev"; ln -s /etc/passwd "$b/rootfs/dev/null"
hasnt "a mask is never made of a file of the image" "$(run)" "in
"

# CVE-2024-21626: a working directory through a descriptor of the runtime.
for n in 3 4 5 6 7 8 9 10; do
    bundle 'c["process"]["cwd"] = "/proc/self/fd/'$n'"' 'sh("pwd; ls ../../../../../..")'
    out=$(run); code=$?
    [ $code -ne 0 ] || { not_ok "a working directory through descriptor $n" "$out"; continue; }
    ok "a working directory through descriptor $n"
done
bundle 'c["process"]["args"] = ["/bin/sleep", "100"]'
rt run -d -b "$b" "$id" </dev/null
for n in 3 4 5 6 7 8 9 10; do
    rt exec --cwd "/proc/self/fd/$n" "$id" pwd >/dev/null 2>&1 && not_ok "exec with a working directory through descriptor $n" worked
done
ok "exec with working directories through descriptors"

# CVE-2019-5736: the runtime's own file, through /proc/self/exe as program and as interpreter.
before=$(sha256sum <"$(command -v "$runtime")")
# The runtime as a program of the container, held there by a log that nobody reads yet; its file is opened, and written
# once it has ended (while it runs, every kernel says "text file busy").
mkfifo "$b/rootfs/fifo"
rt exec "$id" /proc/self/exe --log /fifo state x >/dev/null 2>&1 & job=$!
rt exec -d "$id" sh -c 'n=0; while [ $n -lt 200 ]; do for p in /proc/[0-9]*; do
    if tr "\0" " " <$p/cmdline 2>/dev/null | grep -q "^/proc/self/exe --log"; then
        exec 5<$p/exe; echo held >/result; cat /fifo >/dev/null
        m=0; while [ $m -lt 100 ]; do { echo hacked >>/proc/self/fd/5; } 2>>/result && echo written >>/result && break; sleep 0.01; m=$((m + 1)); done
        touch /over; exit
    fi; done; sleep 0.02; n=$((n + 1)); done' >/dev/null 2>&1
wait $job
# Nobody on the host runs the file now: the moment in which it could be written.
tries=0; while [ $tries -lt 100 ] && [ ! -e "$b/rootfs/over" ]; do sleep 0.05; tries=$((tries + 1)); done
cp "$b/rootfs/result" "$work/self"
has "the runtime can be held inside, which makes this a test" "$(cat "$work/self")" held
hasnt "the runtime's file cannot be written from inside" "$(cat "$work/self")" written
cat >"$b/rootfs/grab" <<'SH'
#!/bin/sh
# Wait for a process that still shows the runtime, and try to open its file for writing.
n=0
while [ $n -lt 3000 ]; do
    for p in /proc/[0-9]*; do
        case $(readlink $p/exe 2>/dev/null) in *trine*|*memfd*|/trine-oci) { echo hacked >>$p/exe; } 2>/dev/null && echo "wrote through $p/exe" && exit ;; esac
    done
    n=$((n + 1))
done
SH
chmod +x "$b/rootfs/grab"
rt exec --cap CAP_SYS_PTRACE --cap CAP_SYS_ADMIN --cap CAP_DAC_OVERRIDE "$id" /grab >"$work/grab" 2>&1 & job=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do rt exec --cap CAP_SYS_PTRACE --cap CAP_SYS_ADMIN "$id" true; done
printf '#!/proc/self/exe\n' >"$b/rootfs/again"; chmod +x "$b/rootfs/again"
rt exec "$id" /again >/dev/null 2>&1
rt exec "$id" sh -c 'kill $(pidof grab) 2>/dev/null; killall grab' >/dev/null 2>&1
kill $job 2>/dev/null; wait $job 2>/dev/null
same "the runtime's file is what it was" "$(sha256sum <"$(command -v "$runtime")")" "$before"
same "nobody wrote through /proc/PID/exe" "$(cat "$work/grab")" ""
rt delete --force "$id"
bundle 'sh("exec 9>>/proc/1/exe; echo opened")' 'c["process"]["args"] = ["/proc/self/exe", "features"]'
run >/dev/null 2>&1
same "as pid 1 neither" "$(sha256sum <"$(command -v "$runtime")")" "$before"

# What a process finds of the host.
bundle 'sh("ls -l /proc/self/fd /proc/1/fd; cat /proc/1/environ | tr \"\\0\" \"\\n\"; cat /proc/self/mountinfo")' 'c["linux"]["namespaces"].append({"type": "cgroup"})'
SECRET_OF_THE_HOST=1; export SECRET_OF_THE_HOST
out=$(run 5</etc/shadow)
hasnt "no descriptor of the host" "$out" shadow
hasnt "no environment of the host" "$out" SECRET_OF_THE_HOST
hasnt "no mount of the host" "$out" "/sys/fs/cgroup/pids"
bundle 'c["mounts"].append(mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro"))' 'sh("for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/out && echo made; done; echo end")'
out=$(run)
has "the groups are mounted" "$out" end
hasnt "the groups of the host cannot be written" "$out" made
finish
