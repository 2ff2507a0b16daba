// SPDX-License-Identifier: Apache-2.0
// Parsing against fixtures, and a version 2 host as a tree of plain files.
#include "host/cgroup_int.h"
#include "scratch.h"

#include <errno.h>

static struct cgroup_host *parse(const char *mountinfo) {
    struct cgroup_host *host = NULL;
    assert_int_equal(cgroup_host_parse(mountinfo, &host, NULL), 0);
    return host;
}

static void hybrid_hosts_are_understood(void **state) {
    struct cgroup_host *host =
        parse("31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
              "32 31 0:29 / /none/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
              "35 31 0:32 / /none/with\\040space rw master:1 shared:2 - cgroup cgroup rw,memory\n"
              "36 31 0:33 / /none/second rw - cgroup cgroup rw,memory\n"
              "40 31 0:37 / /none/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
              "41 31 0:38 / /none/unified rw,relatime - cgroup2 cgroup2 rw\n"
              "garbage\n"
              "1 2 3 - cgroup\n"
              " - cgroup cgroup rw,pids");
    assert_int_equal(cgroup_host_mode(host), CGROUP_HYBRID);
    assert_int_equal(cgroup_host_version(host, CGROUP_CPU), 1);
    assert_int_equal(cgroup_host_version(host, CGROUP_CPUACCT), 1);
    assert_int_equal(cgroup_host_version(host, CGROUP_NAMED_SYSTEMD), 1);
    assert_int_equal(cgroup_host_version(host, CGROUP_PIDS), 0);
    assert_int_equal(cgroup_host_version(host, CGROUP_FREEZER), 2); // built into version 2
    auto_free char *dir = cgroup_host_dir(host, CGROUP_MEMORY, "trine/x"),
                   *both = cgroup_host_dir(host, CGROUP_CPUACCT, "/"),
                   *none = cgroup_host_dir(host, CGROUP_PIDS, "x");
    assert_string_equal(dir, "/none/with space/trine/x");
    assert_string_equal(both, "/none/cpu,cpuacct");
    assert_null(none);
    const char *why = NULL;
    assert_false(cgroup_host_can(host, CGROUP_MEMORY, &why)); // nothing is mounted there
    assert_non_null(why);
    assert_false(cgroup_host_can(host, CGROUP_PIDS, NULL));
    cgroup_host_free(host);
    cgroup_host_free(NULL);
}

static void modes(void **state) {
    struct cgroup_host *host = parse("1 1 0:1 / / rw - ext4 /dev/vda rw\n");
    assert_int_equal(cgroup_host_mode(host), CGROUP_NONE);
    struct cgroup *cg;
    struct err err = {0};
    assert_int_equal(cgroup_open(host, "trine", &cg, &err), -ENOENT);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    cgroup_host_free(host);
    host = parse("1 1 0:1 / /none rw - cgroup cgroup rw,pids\n");
    assert_int_equal(cgroup_host_mode(host), CGROUP_V1);
    cgroup_host_free(host);
    host = parse("1 1 0:1 / /none rw - cgroup2 none rw\n");
    assert_int_equal(cgroup_host_mode(host), CGROUP_V2);
    cgroup_host_free(host);
    assert_string_equal(cgroup_mode_word(CGROUP_HYBRID), "hybrid");
    assert_string_equal(cgroup_mode_word(CGROUP_NONE), "none");
}

static void figures_are_parsed(void **state) {
    static const char cpu[] = "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\nnr_throttled 2\n";
    assert_int_equal(cgroup_text_field(cpu, "usage_usec"), 1234);
    assert_int_equal(cgroup_text_field(cpu, "system_usec"), 234);
    assert_int_equal(cgroup_text_field(cpu, "usec"), 0);
    assert_int_equal(cgroup_text_field(cpu, "nr"), 0);
    assert_int_equal(cgroup_text_field("oom_kill_disable 0\nunder_oom 0\noom_kill 3", "oom_kill"),
                     3);
    assert_int_equal(cgroup_text_field("", "x"), 0);
    assert_true(cgroup_text_number("max\n") == UINT64_MAX);
    assert_true(cgroup_text_number("-1\n") == UINT64_MAX);
    assert_true(cgroup_text_number("9223372036854771712\n") == UINT64_MAX);
    assert_true(cgroup_text_number("4096\n") == 4096);
    assert_true(cgroup_text_number("") == 0);
    uint64_t r = 0, w = 0;
    cgroup_text_io_v1("8:0 Read 100\n8:0 Write 50\n8:0 Total 150\n8:16 Read 1\nTotal 151\n", &r,
                      &w);
    assert_true(r == 101 && w == 50);
    r = w = 0;
    cgroup_text_io_v2("8:0 rbytes=100 wbytes=50 rios=3 wios=2\n8:16 rbytes=1 wbytes=2\n", &r, &w);
    assert_true(r == 101 && w == 52);
    r = w = 0;
    cgroup_text_io_v1("Read", &r, &w);
    cgroup_text_io_v2(" rbytes=", &r, &w);
    assert_true(r == 0 && w == 0);
    assert_int_equal(cgroup_v2_parse_controllers("cpuset cpu io memory\n"),
                     CGROUP_BIT(CGROUP_CPUSET) | CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_BLKIO) |
                         CGROUP_BIT(CGROUP_MEMORY));
    assert_int_equal(cgroup_v2_parse_controllers(""), 0);
    assert_int_equal(cgroup_v2_parse_controllers("blkio unknown"), 0);
}

static void weights_follow_shares(void **state) {
    assert_int_equal(cgroup_v2_weight(2), 1);
    assert_int_equal(cgroup_v2_weight(1024), 39);
    assert_int_equal(cgroup_v2_weight(262144), 10000);
    assert_int_equal(cgroup_v2_weight(0), 1);
    assert_int_equal(cgroup_v2_weight(UINT64_MAX), 10000);
}

static void expect_file(const char *path, const char *want) {
    auto_free char *text = NULL;
    assert_int_equal(file_read(scratch_fd, path, 4096, &text, NULL, NULL), 0);
    assert_string_equal(text, want);
}

// scratch/ is the root of a unified hierarchy that knows `controllers`, trine/x a group in it.
static struct cgroup_host *fake_v2(const char *controllers) {
    static const char *const files[] = {"cgroup.procs",    "cgroup.freeze", "memory.max",
                                        "memory.swap.max", "memory.low",    "cpu.max",
                                        "cpu.weight",      "cpuset.cpus",   "cpuset.mems"};
    assert_int_equal(dir_make(scratch_fd, "trine/x", 0755, NULL), 0);
    scratch_write("cgroup.controllers", controllers);
    scratch_write("cgroup.subtree_control", "cpu");
    scratch_write("trine/cgroup.controllers", controllers);
    scratch_write("trine/cgroup.subtree_control", "");
    for (size_t i = 0; i < array_len(files); i++) {
        char path[64];
        snprintf(path, sizeof(path), "trine/x/%s", files[i]);
        scratch_write(path, "");
    }
    char mountinfo[256];
    snprintf(mountinfo, sizeof(mountinfo), "1 1 0:1 / %s rw - cgroup2 cgroup2 rw\n", scratch_path);
    return parse(mountinfo);
}

static void limits_reach_version_2(void **state) {
    struct cgroup_host *host = fake_v2("cpuset cpu io memory\n"); // no pids
    const struct cgroup_limits limits = {.memory_max_bytes = 1 << 20,
                                         .memory_swap_max_bytes = UINT64_MAX,
                                         .memory_low_bytes = 4096,
                                         .cpu_quota_us = 50000,
                                         .cpu_shares = 1024,
                                         .pids_max = 10,
                                         .cpuset_cpus = "0-1"};
    struct cgroup *cg;
    char *warning = NULL;
    assert_int_equal(cgroup_create(host, "trine/x", &limits, &cg, &warning, NULL), 0);
    assert_string_equal(warning, "no limit of pids: no hierarchy has the controller");
    free(warning);
    expect_file("cgroup.subtree_control", "+cpuset +memory");
    expect_file("trine/cgroup.subtree_control", "+cpu +cpuset +memory");
    expect_file("trine/x/memory.max", "1048576");
    expect_file("trine/x/memory.swap.max", "max");
    expect_file("trine/x/memory.low", "4096");
    expect_file("trine/x/cpu.max", "50000 100000");
    expect_file("trine/x/cpu.weight", "39");
    expect_file("trine/x/cpuset.cpus", "0-1");
    expect_file("trine/x/cpuset.mems", "");
    assert_true(cgroup_v2_fd(cg) >= 0);

    const struct cgroup_limits wider = {.cpu_quota_us = UINT64_MAX, .cpu_period_us = 20000};
    assert_int_equal(cgroup_update(cg, &wider, &warning, NULL), 0);
    assert_null(warning);
    expect_file("trine/x/cpu.max", "max 20000");
    expect_file("trine/x/memory.max", "1048576");
    assert_int_equal(cgroup_join(cg, NULL), 0);
    expect_file("trine/x/cgroup.procs", "0");
    cgroup_close(cg);
    cgroup_host_free(host);
}

static void figures_of_version_2(void **state) {
    struct cgroup_host *host = fake_v2("cpu io memory pids\n");
    scratch_write("trine/x/cpu.stat",
                  "usage_usec 5\nuser_usec 3\nsystem_usec 2\nthrottled_usec 1\n");
    scratch_write("trine/x/memory.current", "4096\n");
    scratch_write("trine/x/memory.max", "max\n");
    scratch_write("trine/x/memory.stat", "anon 1\nfile 2048\n");
    scratch_write("trine/x/memory.events", "oom 2\noom_kill 1\n");
    scratch_write("trine/x/io.stat", "8:0 rbytes=10 wbytes=20\n");
    scratch_write("trine/x/pids.current", "3\n");
    scratch_write("trine/x/pids.max", "max\n");
    struct cgroup *cg;
    struct cgroup_stats s;
    assert_int_equal(cgroup_open(host, "trine/x", &cg, NULL), 0);
    assert_int_equal(cgroup_read_stats(cg, &s, NULL), 0);
    assert_true(s.cpu_usage_ns == 5000 && s.cpu_user_ns == 3000 && s.cpu_system_ns == 2000 &&
                s.cpu_throttled_ns == 1000);
    assert_true(s.memory_bytes == 4096 && s.memory_max_bytes == UINT64_MAX &&
                s.memory_peak_bytes == 0 && s.memory_cache_bytes == 2048 && s.oom_kills == 1);
    assert_true(s.pids == 3 && s.pids_max == UINT64_MAX);
    assert_true(s.io_read_bytes == 10 && s.io_write_bytes == 20);
    cgroup_close(cg);
    cgroup_host_free(host);
}

static void groups_in_use_and_bad_names_are_refused(void **state) {
    struct cgroup_host *host = fake_v2("memory\n");
    struct cgroup *cg;
    struct err err = {0};
    scratch_write("trine/x/cgroup.procs", "123\n456\n");
    assert_int_equal(cgroup_create(host, "trine/x", NULL, &cg, NULL, &err), -EEXIST);
    assert_string_equal(err.cause, "the control group has 2 processes (the first is 123)");
    assert_true(scratch_has("trine/x")); // not ours to take back
    static const char *const bad[] = {"",         "/",  "/trine",
                                      "a//b",     "a/", "..",
                                      "a/../b",   ".",  "trine/cgroup.procs",
                                      "a/.hidden"};
    for (size_t i = 0; i < array_len(bad); i++) {
        assert_int_equal(cgroup_create(host, bad[i], NULL, &cg, NULL, &err), -EINVAL);
        assert_int_equal(cgroup_open(host, bad[i], &cg, &err), -EINVAL);
    }
    assert_int_equal(cgroup_open(host, "trine/none", &cg, &err), -ENOENT);
    cgroup_host_free(host);
}

static void what_the_kernel_lacks_is_a_warning(void **state) {
    struct cgroup_host *host = fake_v2("memory\n");
    const struct cgroup_limits limits = {.memory_max_bytes = 4096};
    struct cgroup *cg;
    char *warning = NULL;
    assert_int_equal(unlinkat(scratch_fd, "trine/x/memory.max", 0), 0);
    assert_int_equal(cgroup_create(host, "trine/x", &limits, &cg, &warning, NULL), 0);
    assert_string_equal(warning, "memory.max is not set: this kernel does not have it");
    free(warning);
    cgroup_close(cg);
    cgroup_host_free(host);
}

static void what_the_kernel_refuses_is_an_error_and_leaves_no_group(void **state) {
    struct cgroup_host *host = fake_v2("memory\n");
    const struct cgroup_limits limits = {.memory_max_bytes = 4096};
    struct cgroup *cg;
    struct err err = {0};
    assert_int_equal(unlinkat(scratch_fd, "trine/x/memory.max", 0), 0);
    assert_int_equal(mkdirat(scratch_fd, "trine/x/memory.max", 0755), 0); // cannot be written
    assert_int_equal(cgroup_create(host, "trine/x", &limits, &cg, NULL, &err), -EISDIR);
    assert_string_equal(err.object, "trine/x");
    assert_non_null(strstr(err.cause, "memory.max"));
    assert_true(scratch_has("trine/x")); // it was there before
    cgroup_host_free(host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hybrid_hosts_are_understood),
        cmocka_unit_test(modes),
        cmocka_unit_test(figures_are_parsed),
        cmocka_unit_test(weights_follow_shares),
        scratch_test(limits_reach_version_2),
        scratch_test(figures_of_version_2),
        scratch_test(groups_in_use_and_bad_names_are_refused),
        scratch_test(what_the_kernel_lacks_is_a_warning),
        scratch_test(what_the_kernel_refuses_is_an_error_and_leaves_no_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
