// SPDX-License-Identifier: Apache-2.0
// Where things are on disk, for every role that meets there.
//
// Run directory (gone after a reboot): /run/trine for root, $XDG_RUNTIME_DIR/trine for a user.
//   api.sock                      the API (daemon; mode 0660, group trine)
//   daemon.lock                   held by the one daemon of this run directory
//   instances/.seccomp/           compiled seccomp filters, shared by all instances
//   instances/<id>/               0700 root, made by the agent
//     config.json                 OCI bundle of the instance (agent writes, shim reads)
//     rootfs/                     empty mount point; mounted on inside the container's namespace only
//     warnings                    what this host could not give, one a line (shim writes)
//     shim.sock                   control socket, SOCK_SEQPACKET, messages of wire/messages.json
//     shim.pid                    "<pid> <start time>\n", written before the shim says hello
//     shim.lock                   locked (flock) from before the shim's start until its end: the
//                                 agent passes it to the shim as descriptor 4, which keeps it
//     exit.json                   how it ended, the shim's last act, written atomically:
//       {"version":1,"exit_code":0,"oom_killed":false,"started_ns":0,"finished_ns":0,"failure":""}
//
// State directory (kept): /var/lib/trine for root, ~/.local/share/trine for a user.
//   control/trine.db              desired and observed state; alone owned by the daemon's user
//   images/                       image store (root; trine-image); like the next two for nobody else
//   instances/<id>/upper, work    overlay directories (root)
//   instances/<id>/etc/           resolv.conf, hosts, hostname, mounted over those of the image (root)
//   instances/<id>/log, log.1 …   output, one line an entry in the CRI log format:
//       "2026-11-21T09:44:00.123456789Z stdout F text"; P marks a part of a longer line
//   volumes/<id>/data             a volume as a named directory (root)
#ifndef TRINE_WIRE_LAYOUT_H
#define TRINE_WIRE_LAYOUT_H

#define LAYOUT_API_SOCKET "api.sock"
#define LAYOUT_DAEMON_LOCK "daemon.lock"
#define LAYOUT_INSTANCES "instances"
#define LAYOUT_SECCOMP_CACHE "instances/.seccomp"
#define LAYOUT_CONFIG "config.json"
#define LAYOUT_ROOTFS "rootfs"
#define LAYOUT_WARNINGS "warnings"
#define LAYOUT_SHIM_SOCKET "shim.sock"
#define LAYOUT_SHIM_PID "shim.pid"
#define LAYOUT_SHIM_LOCK "shim.lock"
#define LAYOUT_EXIT "exit.json"
#define LAYOUT_CONTROL "control"
#define LAYOUT_DATABASE "control/trine.db"
#define LAYOUT_IMAGES "images"
#define LAYOUT_UPPER "upper"
#define LAYOUT_WORK "work"
#define LAYOUT_ETC "etc"
#define LAYOUT_LOG "log"
#define LAYOUT_VOLUMES "volumes"
#define LAYOUT_VOLUME_DATA "data"
#define LAYOUT_CGROUP_ROOT "trine" // control group of instance <id>: trine/<id>

#endif
