// SPDX-License-Identifier: Apache-2.0
// Drives a real trine-shim with a real container of busybox, the way the agent and the daemon do.
// Needs root. Everything lives below one scratch folder and a control group
// "trine-test-<pid>".
#ifndef TRINE_TESTS_CONFORM_SHIM_HARNESS_H
#define TRINE_TESTS_CONFORM_SHIM_HARNESS_H

#include "base/clock.h"
#include "base/mem.h"
#include "wire/channel.h"
#include "wire/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct shim_spec {
    const char *script;      // for /bin/sh -c; NULL: args
    const char *const *args; // NULL-terminated
    bool terminal, input;
    uint64_t memory_max_bytes, log_max_bytes;
    unsigned log_files;
    bool broken; // the configuration cannot be used
};

struct shim {
    pid_t pid;   // of the supervisor; our child
    int control; // past hello
    char id[32], dir[128], log[160], cgroup[64];
    struct err err; // what the shim said in place of hello
};

struct exit_record {
    int exit_code;
    bool oom_killed;
    int64_t started_ns, finished_ns;
    char failure[1024];
};

struct output { // of a stream, to its end
    char *out, *err;
    size_t n_out, n_err;
    int exit_code; // -1: closed without an EXIT frame
};

int harness_setup(void **state); // group set-up: scratch folder, root file system
int harness_teardown(void **state);
int case_setup(void **state); // counts what a case must not leave behind
int case_teardown(void **state);
#define SHIM_TEST(f) cmocka_unit_test_setup_teardown(f, case_setup, case_teardown)
extern char harness_dir[64];
extern const char *harness_shim; // path of trine-shim
// "passed" by skipping: 77 when this host or user cannot run the tests, else 0.
int harness_main_check(int argc, char **argv);

// 0: created and greeted. Negative: the failure is in shim->err, and the process has ended.
int shim_spawn(struct shim *shim, const struct shim_spec *spec);
int shim_connect(const struct shim *shim); // a further connection, past hello
int shim_ask(int control, enum wire_id id, const void *message, struct err *err); // answer: ok
void shim_start(struct shim *shim);
struct wire_shim_figures shim_stats(struct shim *shim);
void shim_expect_state(int control, const char *state); // by asking
void shim_expect_announced(int control, const char *state);
void shim_signal(struct shim *shim, int signo, bool all);
int shim_attach(struct shim *shim, bool input, bool output, bool replay); // stream socket
int shim_exec(struct shim *shim, const struct wire_shim_exec *request, struct err *err); // socket
struct wire_shim_exec exec_of(const char *script); // static storage of the last call
// Waits for the supervisor, takes its record, removes its folder. Returns the supervisor's exit.
int shim_end(struct shim *shim, struct exit_record *ret);
char *shim_log(const struct shim *shim); // the caller's
pid_t shim_init_pid(struct shim *shim);

void stream_send(int sock, enum stream_channel channel, const void *data, size_t size);
void stream_collect(int sock, struct output *ret);    // until it closes; closes it
void stream_expect(int sock, const char *text);       // waits until OUT carried exactly this
void stream_expect_start(int sock, const char *text); // more may follow in the same frame
void output_free(struct output *output);

void cgroup_clear(const char *path); // what the agent does when a supervisor was killed
bool cgroup_exists(const char *path);
int cgroup_value(const char *controller, const char *cgroup, const char *file, char *buf,
                 size_t size);
int wait_until(bool (*condition)(void *arg), void *arg); // polls for at most 10 s; 0 or -ETIMEDOUT

#endif
