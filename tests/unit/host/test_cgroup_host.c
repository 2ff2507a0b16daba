// SPDX-License-Identifier: Apache-2.0
// Groups on the host that the tests run on: only for root and where groups may be made.
#include "base/clock.h"
#include "host/cgroup_int.h"
#include "scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static struct cgroup_host *host;
static char group[64];
static const struct cgroup_limits LIMITS = {.memory_max_bytes = 64 << 20, .pids_max = 20};

static int group_setup(void **state) {
    static int serial;
    snprintf(group, sizeof(group), "trine-test/%d-%d", (int)getpid(), serial++);
    return cgroup_host_open(&host, NULL);
}

static int group_teardown(void **state) {
    struct cgroup *cg;
    if (cgroup_open(host, group, &cg, NULL) == 0) {
        cgroup_destroy(cg, NULL);
        cgroup_close(cg);
    }
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
        auto_free char *dir = cgroup_host_dir(host, c, "trine-test");
        if (dir) rmdir(dir); // as soon as no other test is in it
    }
    cgroup_host_free(host);
    return 0;
}

static bool able(void) {
    return geteuid() == 0 && cgroup_host_can(host, CGROUP_FREEZER, NULL) &&
           cgroup_host_can(host, CGROUP_PIDS, NULL) && cgroup_host_can(host, CGROUP_MEMORY, NULL);
}

static struct cgroup *make(void) {
    struct cgroup *cg = NULL;
    struct err err = {0};
    char *warning = NULL;
    if (cgroup_create(host, group, &LIMITS, &cg, &warning, &err) < 0) err_print(&err);
    assert_non_null(cg);
    assert_null(warning);
    return cg;
}

// A child that joins and then waits, with as many children of its own.
static pid_t member(struct cgroup *cg, int children) {
    int pipe_fds[2];
    char c;
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (cgroup_join(cg, NULL) < 0) _exit(1);
        for (int i = 0; i < children; i++)
            if (fork() == 0) break;
        if (write(pipe_fds[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(pipe_fds[1]);
    for (int i = 0; i <= children; i++) assert_int_equal(read(pipe_fds[0], &c, 1), 1);
    close(pipe_fds[0]);
    return pid;
}

static bool exists(enum cgroup_controller c) {
    auto_free char *dir = cgroup_host_dir(host, c, group);
    return dir && access(dir, F_OK) == 0;
}

static void a_group_lives_and_goes(void **state) {
    if (!able()) skip();
    int before = open_fds();
    struct cgroup *cg = make();
    pid_t pid = member(cg, 3);
    pid_t *pids;
    size_t n;
    assert_int_equal(cgroup_procs(cg, &pids, &n, NULL), 0);
    assert_int_equal(n, 4);
    free(pids);
    struct cgroup_stats stats;
    assert_int_equal(cgroup_read_stats(cg, &stats, NULL), 0);
    assert_int_equal(stats.pids, 4);
    assert_int_equal(stats.pids_max, 20);
    assert_int_equal(stats.memory_max_bytes, 64 << 20);
    struct cgroup *second;
    struct err err = {0};
    assert_int_equal(cgroup_create(host, group, NULL, &second, NULL, &err), -EEXIST);
    assert_true(exists(CGROUP_PIDS));
    assert_int_equal(cgroup_destroy(cg, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(exists(CGROUP_PIDS) || exists(CGROUP_MEMORY) || exists(CGROUP_FREEZER));
    assert_int_equal(cgroup_read_stats(cg, &stats, &err), -ENOENT);
    assert_int_equal(cgroup_destroy(cg, NULL), 0); // twice is fine
    cgroup_close(cg);
    assert_int_equal(open_fds(), before);
}

static void limits_hold_and_change(void **state) {
    if (!able()) skip();
    struct cgroup *cg = make();
    struct cgroup_stats stats;
    const struct cgroup_limits more = {.memory_max_bytes = 128 << 20,
                                       .pids_max = UINT64_MAX,
                                       .cpu_quota_us = 20000,
                                       .cpu_shares = 512,
                                       .cpuset_cpus = "0"};
    pid_t pid = member(cg, 0); // moves to the groups of cpu and cpuset, which are new
    struct err err = {0};
    char *warning = NULL;
    if (cgroup_update(cg, &more, &warning, &err) < 0) err_print(&err);
    assert_int_equal(err.kind, ERR_NONE);
    assert_null(warning);
    assert_int_equal(cgroup_read_stats(cg, &stats, NULL), 0);
    assert_int_equal(stats.memory_max_bytes, 128 << 20);
    assert_true(stats.pids_max == UINT64_MAX);
    auto_free char *dir = cgroup_host_dir(host, CGROUP_CPU, group), *text = NULL;
    auto_free char *procs = mem_printf("%s/cgroup.procs", dir);
    assert_int_equal(file_read(AT_FDCWD, procs, 100, &text, NULL, NULL), 0);
    assert_int_equal(atoi(text), pid);
    const struct cgroup_limits wrong = {.cpuset_cpus = "4000"};
    assert_true(cgroup_update(cg, &wrong, NULL, &err) < 0);
    assert_string_equal(err.object, group);
    assert_true(err.next[0]);
    assert_int_equal(cgroup_destroy(cg, NULL), 0);
    waitpid(pid, NULL, 0);
    assert_false(exists(CGROUP_CPU) || exists(CGROUP_CPUSET));
    cgroup_close(cg);
}

static void a_refused_limit_leaves_no_group(void **state) {
    if (!able() || !cgroup_host_can(host, CGROUP_CPUSET, NULL)) skip();
    const struct cgroup_limits wrong = {.cpuset_cpus = "4000"};
    struct cgroup *cg;
    struct err err = {0};
    assert_true(cgroup_create(host, group, &wrong, &cg, NULL, &err) < 0);
    assert_false(exists(CGROUP_CPUSET) || exists(CGROUP_MEMORY) || exists(CGROUP_PIDS));
}

static void freezing_and_thawing(void **state) {
    if (!able()) skip();
    struct cgroup *cg = make();
    pid_t pid = member(cg, 2);
    int status;
    assert_int_equal(cgroup_freeze(cg, true, NULL), 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0); // it cannot take the signal
    assert_int_equal(cgroup_freeze(cg, false, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    // What is frozen is killed all the same, with groups below it.
    pid = member(cg, 1);
    assert_int_equal(cgroup_freeze(cg, true, NULL), 0);
    assert_int_equal(cgroup_kill(cg, SIGKILL, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(cgroup_destroy(cg, NULL), 0);
    cgroup_close(cg);
}

static void groups_below_go_too(void **state) {
    if (!able()) skip();
    struct cgroup *cg = make(), *below;
    char path[80];
    snprintf(path, sizeof(path), "%.60s/inner", group);
    assert_int_equal(cgroup_create(host, path, NULL, &below, NULL, NULL), 0);
    pid_t a = member(cg, 0), b = member(below, 0);
    pid_t *pids;
    size_t n;
    assert_int_equal(cgroup_procs(cg, &pids, &n, NULL), 0);
    assert_int_equal(n, 2);
    free(pids);
    int64_t start = clock_monotonic(clock_system());
    assert_int_equal(cgroup_destroy(cg, NULL), 0);
    assert_true(clock_monotonic(clock_system()) - start < SEC_NS);
    assert_int_equal(waitpid(a, NULL, 0), a);
    assert_int_equal(waitpid(b, NULL, 0), b);
    assert_false(exists(CGROUP_FREEZER));
    cgroup_close(below);
    cgroup_close(cg);
}

// The unified hierarchy of a hybrid host, as if there were nothing else: no controllers to limit
// with, but members, freezing and killing are the real version 2.
static void version_2_alone(void **state) {
    auto_free char *text = NULL;
    assert_int_equal(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, NULL, NULL), 0);
    char *line, *rest = text;
    while ((line = strsep(&rest, "\n")) && !strstr(line, " - cgroup2 ")) continue;
    if (!line || geteuid() != 0) skip();
    cgroup_host_free(host);
    assert_int_equal(cgroup_host_parse(line, &host, NULL), 0);
    assert_int_equal(cgroup_host_mode(host), CGROUP_V2);
    if (!cgroup_host_can(host, CGROUP_FREEZER, NULL)) skip();
    struct cgroup *cg, *below;
    char path[80];
    assert_int_equal(cgroup_create(host, group, NULL, &cg, NULL, NULL), 0);
    snprintf(path, sizeof(path), "%.60s/inner", group);
    assert_true(cgroup_v2_fd(cg) >= 0);
    pid_t pid = member(cg, 2), other;
    int status;
    // Unlike version 1's, a frozen process of version 2 dies of a fatal signal without a thaw.
    assert_int_equal(cgroup_freeze(cg, true, NULL), 0);
    assert_int_equal(cgroup_kill(cg, SIGTERM, NULL), 0); // thaws
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(cgroup_create(host, path, NULL, &below, NULL, NULL), 0);
    pid = member(cg, 1);
    other = member(below, 1);
    assert_int_equal(cgroup_freeze(cg, true, NULL), 0);
    assert_int_equal(cgroup_destroy(cg, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_false(exists(CGROUP_FREEZER));
    cgroup_close(below);
    cgroup_close(cg);
}

#define group_test(fn) cmocka_unit_test_setup_teardown(fn, group_setup, group_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        group_test(a_group_lives_and_goes),
        group_test(limits_hold_and_change),
        group_test(a_refused_limit_leaves_no_group),
        group_test(freezing_and_thawing),
        group_test(groups_below_go_too),
        group_test(version_2_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
