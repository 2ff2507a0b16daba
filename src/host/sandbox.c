// SPDX-License-Identifier: Apache-2.0
// Users and capabilities: credentials(7), capabilities(7).
#include "host/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPABILITIES_MAX = 64 };

int sandbox_no_new_privs(struct err *err) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return 0;
    return err_os(err, errno, "sandbox", "cannot give up new privileges");
}

static bool ids_are(uid_t uid, gid_t gid) {
    uid_t r, e, s;
    gid_t rg, eg, sg;
    return getresuid(&r, &e, &s) == 0 && r == uid && e == uid && s == uid &&
           getresgid(&rg, &eg, &sg) == 0 && rg == gid && eg == gid && sg == gid;
}

int sandbox_set_user(uid_t uid, gid_t gid, struct err *err) {
    // A user without rights may keep being itself, with the groups that it cannot leave.
    bool same = ids_are(uid, gid);
    if (setgroups(0, NULL) < 0 && !(same && errno == EPERM))
        return err_os(err, errno, "sandbox", "cannot leave the supplementary groups");
    if (setresgid(gid, gid, gid) < 0)
        return err_os(err, errno, "sandbox", "cannot become group %u", (unsigned)gid);
    if (setresuid(uid, uid, uid) < 0)
        return err_os(err, errno, "sandbox", "cannot become user %u", (unsigned)uid);
    if (!ids_are(uid, gid) || (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0)))
        return err_set(err, ERR_DENIED, 0, "sandbox",
                       "root could be regained after becoming user %u", (unsigned)uid);
    return 0;
}

// What the bounding set still allows is worth nothing to a process that can gain no privileges.
static int drop_bounding(uint64_t keep) {
    bool harmless = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    for (unsigned long c = 0; c < CAPABILITIES_MAX; c++) {
        if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) < 0) break; // past the last one
        if (keep >> c & 1 || prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0) continue;
        if (errno != EPERM || !harmless) return -errno;
    }
    return 0;
}

static int set_sets(uint64_t keep) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    uint32_t low = (uint32_t)keep, high = (uint32_t)(keep >> 32);
    struct __user_cap_data_struct data[2] = {{low, low, low}, {high, high, high}};
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int set_ambient(uint64_t keep) {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -errno;
    for (unsigned long c = 0; c < CAPABILITIES_MAX; c++)
        if (keep >> c & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
            return -errno;
    return 0;
}

int sandbox_drop_capabilities(uint64_t keep, struct err *err) {
    int r = drop_bounding(keep); // first: it needs CAP_SETPCAP
    if (r == 0) r = set_sets(keep);
    if (r == 0) r = set_ambient(keep);
    return r < 0 ? err_os(err, -r, "sandbox", "cannot give up capabilities") : 0;
}
