// SPDX-License-Identifier: Apache-2.0
// What a container sets in the kernel by name and number: host name, sysctls, limits, scores.
#include "base/str.h"
#include "execution/container/child.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int child_set_names(struct child *c, struct err *err) {
    const struct oci_spec *spec = c->plan->spec;
    if (!spec->hostname && !spec->domainname) return 0;
    bool has_uts = c->plan->new_namespaces & CLONE_NEWUTS;
    for (size_t i = 0; i < c->plan->n_join; i++) has_uts |= c->plan->join[i].type == CLONE_NEWUTS;
    if (!has_uts)
        return err_set(err, ERR_INVALID, 0, "hostname",
                       "it needs a uts namespace in linux.namespaces");
    if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
        return err_os(err, errno, "hostname", "cannot be set to \"%.64s\"", spec->hostname);
    if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
        return err_os(err, errno, "domainname", "cannot be set to \"%.64s\"", spec->domainname);
    return 0;
}

static bool joins(const struct plan *plan, int type) {
    if (plan->new_namespaces & (uint64_t)type) return true;
    for (size_t i = 0; i < plan->n_join; i++)
        if (plan->join[i].type == type) return true;
    return false;
}

// Only what belongs to a namespace of the container may be set: everything else is the host's.
static bool sysctl_is_ours(const struct plan *plan, const char *name) {
    static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                      "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                      "kernel.shmmni", "kernel.shm_rmid_forced"};
    if (str_starts(name, "net.")) return joins(plan, CLONE_NEWNET);
    if (!strcmp(name, "kernel.domainname") || !strcmp(name, "kernel.hostname"))
        return joins(plan, CLONE_NEWUTS);
    if (str_starts(name, "user.")) return plan->in_user_ns;
    if (str_starts(name, "fs.mqueue.")) return joins(plan, CLONE_NEWIPC);
    for (size_t i = 0; i < array_len(ipc); i++)
        if (!strcmp(name, ipc[i])) return joins(plan, CLONE_NEWIPC);
    return false;
}

int child_set_sysctls(struct child *c, struct err *err) {
    const struct oci_pairs *sysctl = &c->plan->spec->linux_.sysctl;
    for (size_t i = 0; i < sysctl->len; i++) {
        char path[256], name[240];
        const char *key = sysctl->items[i].key;
        if (strlen(key) >= sizeof(name) - 16 || strstr(key, ".."))
            return err_set(err, ERR_INVALID, 0, "linux.sysctl", "\"%.100s\" is no name", key);
        // "net/ipv4/conf/eth0.1/x" and "net.ipv4.conf.eth0/1.x" are the same, as in sysctl(8).
        bool dots = strcspn(key, ".") < strcspn(key, "/");
        snprintf(name, sizeof(name), "%s", key);
        for (char *p = name; *p; p++)
            if (*p == '.' || *p == '/') *p = (*p == '.') == dots ? '.' : '/';
        if (!sysctl_is_ours(c->plan, name))
            return err_set(err, ERR_INVALID, 0, "linux.sysctl",
                           "%.100s belongs to no namespace of this container", key);
        for (char *p = name; *p; p++)
            if (*p == '.' || *p == '/') *p = *p == '.' ? '/' : '.';
        snprintf(path, sizeof(path), "/proc/sys/%s", name);
        int r = file_write_text(AT_FDCWD, path, sysctl->items[i].value);
        if (r < 0) return err_os(err, -r, "linux.sysctl", "cannot set %.100s", key);
    }
    return 0;
}

int child_set_oom_score(struct child *c, struct err *err) {
    if (!c->plan->process->oom_score_adj.set) return 0;
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)c->plan->process->oom_score_adj.value);
    int r = file_write_text(AT_FDCWD, "/proc/self/oom_score_adj", text);
    if (r == -EACCES || r == -EPERM) {
        child_warn(c, "process.oomScoreAdj %s is not applied: this host gives us no right to it",
                   text);
        return 0;
    }
    return r < 0 ? err_os(err, -r, "process.oomScoreAdj", "cannot be set to %s", text) : 0;
}

static int rlimit_number(const char *name) {
    static const struct {
        const char *name;
        int number;
    } limits[] = {
        {"RLIMIT_AS", RLIMIT_AS},
        {"RLIMIT_CORE", RLIMIT_CORE},
        {"RLIMIT_CPU", RLIMIT_CPU},
        {"RLIMIT_DATA", RLIMIT_DATA},
        {"RLIMIT_FSIZE", RLIMIT_FSIZE},
        {"RLIMIT_LOCKS", RLIMIT_LOCKS},
        {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
        {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
        {"RLIMIT_NICE", RLIMIT_NICE},
        {"RLIMIT_NOFILE", RLIMIT_NOFILE},
        {"RLIMIT_NPROC", RLIMIT_NPROC},
        {"RLIMIT_RSS", RLIMIT_RSS},
        {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
        {"RLIMIT_RTTIME", RLIMIT_RTTIME},
        {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
        {"RLIMIT_STACK", RLIMIT_STACK},
    };
    for (size_t i = 0; i < array_len(limits); i++)
        if (!strcasecmp(name, limits[i].name) || !strcasecmp(name, limits[i].name + 7))
            return limits[i].number;
    return -1;
}

int child_set_rlimits(struct child *c, struct err *err) {
    for (size_t i = 0; i < c->plan->process->rlimits.len; i++) {
        const struct oci_rlimit *want = &c->plan->process->rlimits.items[i];
        int number = rlimit_number(want->type);
        if (number < 0)
            return err_set(err, ERR_INVALID, 0, "process.rlimits", "unknown type \"%s\"",
                           want->type);
        for (size_t k = 0; k < i; k++)
            if (rlimit_number(c->plan->process->rlimits.items[k].type) == number)
                return err_set(err, ERR_INVALID, 0, "process.rlimits", "%s stands there twice",
                               want->type);
        if (want->soft > want->hard)
            return err_set(err, ERR_INVALID, 0, "process.rlimits",
                           "the soft limit of %s is above its hard one", want->type);
        struct rlimit limit = {.rlim_cur = want->soft, .rlim_max = want->hard}, now;
        if (setrlimit(number, &limit) == 0) continue;
        if (errno != EPERM || getrlimit(number, &now) < 0)
            return err_os(err, errno, "process.rlimits", "cannot set %s", want->type);
        // Hard limits can only be lowered without CAP_SYS_RESOURCE: as high as we may.
        if (limit.rlim_max > now.rlim_max) limit.rlim_max = now.rlim_max;
        if (limit.rlim_cur > now.rlim_max) limit.rlim_cur = now.rlim_max;
        child_warn(c, "%s stays at %llu: this host gives us no right to raise it", want->type,
                   (unsigned long long)limit.rlim_max);
        if (setrlimit(number, &limit) < 0)
            return err_os(err, errno, "process.rlimits", "cannot set %s", want->type);
    }
    return 0;
}

static int set_io_priority(struct child *c, struct err *err) {
    const struct oci_io_priority *io = c->plan->process->io_priority;
    if (!io) return 0;
    int class = !strcmp(io->class, "IOPRIO_CLASS_RT")     ? IOPRIO_CLASS_RT
                : !strcmp(io->class, "IOPRIO_CLASS_BE")   ? IOPRIO_CLASS_BE
                : !strcmp(io->class, "IOPRIO_CLASS_IDLE") ? IOPRIO_CLASS_IDLE
                                                          : -1;
    if (class < 0 || io->priority.value < 0 || io->priority.value > 7)
        return err_set(err, ERR_INVALID, 0, "process.ioPriority",
                       "\"%s\" with priority %lld is not valid", io->class,
                       (long long)io->priority.value);
    int value = IOPRIO_PRIO_VALUE(class, (int)io->priority.value);
    if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) == 0) return 0;
    if (errno == EPERM) {
        child_warn(c, "process.ioPriority is not applied: no right to it");
        return 0;
    }
    return err_os(err, errno, "process.ioPriority", "cannot be set");
}

struct sched_attributes { // sched_setattr(2); glibc has no declaration
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static int set_scheduler(struct child *c, struct err *err) {
    static const char *const policies[] = {"SCHED_OTHER",   "SCHED_FIFO", "SCHED_RR",
                                           "SCHED_BATCH",   "SCHED_ISO",  "SCHED_IDLE",
                                           "SCHED_DEADLINE"};
    static const char *const flags[] = {"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",
                                        "SCHED_FLAG_DL_OVERRUN",    "SCHED_FLAG_KEEP_POLICY",
                                        "SCHED_FLAG_KEEP_PARAMS",   "SCHED_FLAG_UTIL_CLAMP_MIN",
                                        "SCHED_FLAG_UTIL_CLAMP_MAX"};
    const struct oci_scheduler *s = c->plan->process->scheduler;
    if (!s) return 0;
    struct sched_attributes attr = {.size = sizeof(attr),
                                    .nice = (int32_t)s->nice.value,
                                    .priority = (uint32_t)s->priority.value,
                                    .runtime = s->runtime.value,
                                    .deadline = s->deadline.value,
                                    .period = s->period.value};
    while (attr.policy < array_len(policies) && strcmp(s->policy, policies[attr.policy]))
        attr.policy++;
    if (attr.policy == array_len(policies))
        return err_set(err, ERR_INVALID, 0, "process.scheduler", "unknown policy \"%s\"",
                       s->policy);
    for (size_t i = 0; i < s->flags.len; i++) {
        size_t k = 0;
        while (k < array_len(flags) && strcmp(s->flags.items[i], flags[k])) k++;
        if (k == array_len(flags))
            return err_set(err, ERR_INVALID, 0, "process.scheduler", "unknown flag \"%s\"",
                           s->flags.items[i]);
        attr.flags |= UINT64_C(1) << k;
    }
    if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
        return err_os(err, errno, "process.scheduler", "cannot be set to %s", s->policy);
    return 0;
}

int child_set_scheduling(struct child *c, struct err *err) {
    int r = set_io_priority(c, err);
    return r < 0 ? r : set_scheduler(c, err);
}

int child_set_personality(struct child *c, struct err *err) {
    if (c->plan->personality == PLAN_NO_PERSONALITY) return 0;
    if (personality(c->plan->personality) < 0)
        return err_os(err, errno, "linux.personality", "cannot be set");
    return 0;
}

int child_new_keyring(struct child *c, struct err *err) {
    if (c->plan->options->no_new_keyring) return 0;
    enum { JOIN_SESSION_KEYRING = 1 };
    char name[128];
    snprintf(name, sizeof(name), "_ses.%s", c->plan->options->id);
    if (syscall(SYS_keyctl, JOIN_SESSION_KEYRING, name, 0, 0, 0) < 0 && errno == EDQUOT)
        child_warn(c, "no session keyring of its own: the quota of keys is reached");
    return 0;
}
