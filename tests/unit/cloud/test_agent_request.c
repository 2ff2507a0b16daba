// SPDX-License-Identifier: Apache-2.0
// What the agent refuses, and what it makes of capabilities and image jobs.
#include "base/mem.h"
#include "base/str.h"
#include "cloud/agent/capability.h"
#include "cloud/agent/image_arguments.h"
#include "cloud/agent/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#define ID "0193a1b2c3d4e5f60718293a4b5c6d7e"
#define LAYER "0123456789abcdef01234567"
#define STRINGS(...) \
    (struct wire_strings) { \
        (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *) \
    }

static struct wire_agent_instance_create good(void) {
    static const char *const layers[] = {LAYER}, *const args[] = {"/bin/true"};
    return (struct wire_agent_instance_create){
        .id = ID,
        .name = "web",
        .project = "default",
        .layers = {layers, 1},
        .args = {args, 1},
        .working_dir = "",
        .user = "",
        .hostname = "web",
        .network = "none",
        .cpuset_cpus = "",
    };
}

static int check(struct wire_agent_instance_create *r, struct err *err) {
    struct request_mount mounts[REQUEST_MOUNTS_MAX];
    size_t n;
    *err = (struct err){0};
    return request_check(r, mounts, &n, err);
}

static void refuses(struct wire_agent_instance_create r, const char *object) {
    struct err err;
    assert_true(check(&r, &err) < 0);
    assert_non_null(strstr(err.object, object));
    assert_true(err.cause[0]);
}

static void accepts_good(void **state) {
    struct wire_agent_instance_create r = good();
    struct err err;
    assert_int_equal(check(&r, &err), 0);
    r.user = "www-data:33";
    r.working_dir = "/srv/www";
    r.hostname = "";
    r.network = "host";
    r.cpuset_cpus = "0-2,5";
    r.cpu_nano = 1500000000;
    r.cpu_shares = 2;
    r.env = STRINGS("A=", "B=x=y");
    assert_int_equal(check(&r, &err), 0);
}

#define REFUSES_WITH(field, value, object) \
    do { \
        struct wire_agent_instance_create with = good(); \
        with.field = value; \
        refuses(with, object); \
    } while (0)

static void refuses_bad_fields(void **state) {
    static const char *const bad_ids[] = {"",
                                          "..",
                                          "0193",
                                          ID "0",
                                          "0193A1B2C3D4E5F60718293A4B5C6D7E",
                                          "../../../../../../etc/passwd/...."};
    for (size_t i = 0; i < array_len(bad_ids); i++) REFUSES_WITH(id, bad_ids[i], "instance");
    REFUSES_WITH(name, "a/b", "instance");
    REFUSES_WITH(project, "..", "project");
    REFUSES_WITH(layers, ((struct wire_strings){0}), "image");
    REFUSES_WITH(layers, STRINGS("0123456789abcdef0123456"), "image");
    REFUSES_WITH(layers, STRINGS(LAYER, "../0123456789abcdef01234"), "image");
    REFUSES_WITH(layers, STRINGS(LAYER ":"), "image");
    REFUSES_WITH(args, ((struct wire_strings){0}), "command");
    REFUSES_WITH(args, STRINGS(""), "command");
    REFUSES_WITH(args, STRINGS("/bin/echo", "\xff"), "command");
    REFUSES_WITH(env, STRINGS("NOVALUE"), "environment");
    REFUSES_WITH(env, STRINGS("=x"), "environment");
    REFUSES_WITH(env, STRINGS("A=\xc3"), "environment");
    REFUSES_WITH(working_dir, "srv", "working directory");
    REFUSES_WITH(working_dir, "/srv/../etc", "working directory");
    REFUSES_WITH(hostname, "-a", "hostname");
    REFUSES_WITH(hostname, "a b", "hostname");
    REFUSES_WITH(user, "root:", "user");
    REFUSES_WITH(user, ":root", "user");
    REFUSES_WITH(user, "a:b:c", "user");
    REFUSES_WITH(user, "a/b", "user");
    REFUSES_WITH(network, "", "network");
    REFUSES_WITH(network, "bridge", "network");
}

static void refuses_bad_limits(void **state) {
    REFUSES_WITH(cpu_nano, 9999999, "cpus");
    REFUSES_WITH(cpu_nano, UINT64_MAX, "cpus");
    REFUSES_WITH(cpu_shares, 1, "CPU shares");
    REFUSES_WITH(cpu_shares, 262145, "CPU shares");
    REFUSES_WITH(cpuset_cpus, "0;1", "CPU set");
    REFUSES_WITH(memory_swap_max_bytes, 1, "swap");
    REFUSES_WITH(log_files, 1001, "log files");
}

static void refuses_bad_mounts(void **state) {
    static const char *const bad[][4] = {
        {"nfs", "/a", "/b", ""},           {"volume", "../x", "/b", ""},
        {"volume", "/a", "/b", ""},        {"bind", "a", "/b", ""},
        {"bind", "/a/../b", "/b", ""},     {"bind", "/a//b", "/b", ""},
        {"bind", "/a\n", "/b", ""},        {"bind", "/a", "b", ""},
        {"bind", "/a", "/b/./c", ""},      {"bind", "/a", "/", ""},
        {"bind", "/a", "/b", "size=1m"},   {"bind", "/a", "/b", "ro,lowerdir=/"},
        {"bind", "/a", "/b", "ro,,rw"},    {"tmpfs", "", "/b", "rbind"},
        {"tmpfs", "", "/b", "size="},      {"tmpfs", "", "/b", "size=1x"},
        {"tmpfs", "", "/b", "mode=0755k"}, {"tmpfs", "", "/b", "size=1m2"},
    };
    for (size_t i = 0; i < array_len(bad); i++)
        REFUSES_WITH(mounts, ((struct wire_strings){bad[i], 4}), "");
    REFUSES_WITH(mounts, STRINGS("tmpfs", "", "/b"), "mounts");
    REFUSES_WITH(mounts, STRINGS("tmpfs", "", "/b", "", "bind", "/c", "/b", ""), "mount");
    const char *many[4 * (REQUEST_MOUNTS_MAX + 1)];
    for (size_t i = 0; i < array_len(many); i++) many[i] = "x";
    REFUSES_WITH(mounts, ((struct wire_strings){many, array_len(many)}), "mounts");
}

static void splits_mounts(void **state) {
    struct wire_agent_instance_create r = good();
    r.mounts = (STRINGS("volume", ID, "/data", "ro", "bind", "/srv", "/srv", "rbind,rslave",
                        "tmpfs", "", "/tmp", "size=64m,mode=1777"));
    struct request_mount mounts[REQUEST_MOUNTS_MAX];
    size_t n;
    assert_int_equal(request_check(&r, mounts, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_int_equal(mounts[0].kind, REQUEST_MOUNT_VOLUME);
    assert_string_equal(mounts[0].source, ID);
    assert_int_equal(mounts[1].kind, REQUEST_MOUNT_BIND);
    assert_string_equal(mounts[1].options, "rbind,rslave");
    assert_int_equal(mounts[2].kind, REQUEST_MOUNT_TMPFS);
    assert_string_equal(mounts[2].destination, "/tmp");
}

#define ALL UINT64_C(0x1ffffffffff)

static void capabilities(void **state) {
    struct wire_strings none = {0};
    uint64_t set, usual;
    assert_int_equal(capability_resolve(none, none, false, ALL, &usual, NULL), 0);
    assert_int_equal(__builtin_popcountll(usual), 14);
    assert_int_equal(capability_resolve(none, none, true, ALL, &set, NULL), 0);
    assert_true(set == ALL);
    assert_int_equal(capability_resolve(STRINGS("net_admin"), STRINGS("CAP_MKNOD"), false, ALL,
                                        &set, NULL),
                     0);
    assert_true(set == ((usual | capability_parse("NET_ADMIN")) & ~capability_parse("MKNOD")));
    assert_int_equal(capability_resolve(STRINGS("CHOWN"), STRINGS("all"), false, ALL, &set, NULL),
                     0);
    assert_true(set == capability_parse("CAP_CHOWN"));
    struct err err = {0};
    uint64_t held = ALL & ~capability_parse("SYS_MODULE");
    assert_true(capability_resolve(STRINGS("SYS_MODULE"), none, false, held, &set, &err) < 0);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_int_equal(capability_resolve(STRINGS("ALL"), none, false, held, &set, NULL), 0);
    assert_true(set == held);
    assert_int_equal(capability_resolve(STRINGS("NOPE"), none, false, ALL, &set, NULL), -EINVAL);
    assert_int_equal(capability_resolve(none, STRINGS(""), false, ALL, &set, NULL), -EINVAL);
    assert_null(capability_name(CAPABILITY_COUNT));
}

static const char *job_line(struct wire_agent_image_job job, size_t n_fds, struct str *line) {
    struct strv argv auto_strv = {0};
    struct image_stream stream = {.fd = -1};
    struct wire_agent_image_job full = job;
    const char **texts[] = {&full.verb, &full.type, &full.id, &full.suite};
    for (size_t i = 0; i < array_len(texts); i++)
        if (!*texts[i]) *texts[i] = "";
    str_reset(line);
    if (image_arguments(&full, "/s", n_fds, &argv, &stream, NULL) < 0) return NULL;
    for (size_t i = 0; i < argv.len; i++) str_printf(line, "%s%s", i ? " " : "", argv.items[i]);
    return str_text(line);
}

#define SHA "sha256:" LAYER LAYER "0123456789abcdef"

static void image_jobs(void **state) {
    typedef struct wire_agent_image_job job;
    struct str line auto_str = {0};
    const char *text =
        job_line((job){.verb = "import", .type = "oci", .names = STRINGS("debian:12")}, 1, &line);
    assert_non_null(text);
    assert_non_null(strstr(text, "--store /s/images"));
    assert_non_null(strstr(text, "import"));
    assert_non_null(strstr(text, "--name debian:12"));
    assert_null(job_line((job){.verb = "import"}, 0, &line));
    assert_null(job_line((job){.verb = "import", .type = "zip"}, 1, &line));
    assert_null(job_line((job){.verb = "import", .suite = "bookworm"}, 1, &line));
    assert_null(job_line((job){.verb = "import", .names = STRINGS("--store")}, 1, &line));
    assert_null(job_line((job){.verb = "rm"}, 0, &line));
    text = job_line((job){.verb = "export", .id = SHA, .type = "docker"}, 1, &line);
    assert_non_null(text);
    assert_non_null(strstr(text, " --output - --format docker --id " SHA));
    text = job_line((job){.verb = "verify", .id = SHA}, 0, &line);
    assert_non_null(text);
    assert_true(str_ends(text, " " SHA));
    assert_null(job_line((job){.verb = "export"}, 1, &line));
    assert_null(job_line((job){.verb = "export", .id = "sha256:12"}, 1, &line));
    assert_null(job_line((job){.verb = "build-debian", .packages = STRINGS("a b")}, 0, &line));
    assert_null(job_line((job){.verb = "build-debian", .packages = STRINGS("-o=x")}, 0, &line));
    assert_null(job_line((job){.verb = "build-debian", .suite = "a;b"}, 0, &line));
    assert_non_null(job_line((job){.verb = "sweep", .keep = STRINGS(SHA, SHA)}, 0, &line));
    assert_null(job_line((job){.verb = "sweep", .keep = STRINGS("x")}, 0, &line));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_good),       cmocka_unit_test(refuses_bad_fields),
        cmocka_unit_test(refuses_bad_limits), cmocka_unit_test(refuses_bad_mounts),
        cmocka_unit_test(splits_mounts),      cmocka_unit_test(capabilities),
        cmocka_unit_test(image_jobs),
    };
    return cmocka_run_group_tests_name("agent request", tests, NULL, NULL);
}
