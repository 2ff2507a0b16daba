// SPDX-License-Identifier: Apache-2.0
// The test plays the daemon: a real trine-agent in directories of its own.
//
//   test program ──SOCK_SEQPACKET──▶ trine-agent ──▶ trine-shim (fake_shim.c), trine-image (fake_image.c)
//
// Needs root. Everything lives below one temporary directory and below control groups trine/<id>.
#ifndef TRINE_TESTS_CONFORM_AGENT_BED_H
#define TRINE_TESTS_CONFORM_AGENT_BED_H

#include "base/text.h"
#include "wire/channel.h"
#include "wire/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BED_LAYER "0123456789abcdef01234567"
#define BED_TIMEOUT_MS 20000

struct bed {
    char *dir, *state, *run, *libexec;
    int sock;
    pid_t agent;
    uint32_t seq;
    uid_t user; // 0: root; else the agent is started as this user with --rootless
};

void bed_make(struct bed *bed, uid_t user); // directories, one layer
void bed_start(struct bed *bed);            // an agent, past hello
void bed_kill(struct bed *bed);             // SIGKILL, reaped
void bed_end(struct bed *bed);              // closes the connection; the agent must end well
void bed_remove(struct bed *bed);           // and asserts that nothing is left
// Fixtures of one test: a bed with a running agent in *state.
int bed_setup(void **state);
int bed_teardown(void **state);
void bed_write(const struct bed *bed, const char *below, const char *text); // file DIR/below
// One request, its answer. Fails the test on another answer.
void bed_call(struct bed *bed, enum wire_id id, const void *message, const int *fds, size_t n_fds,
              enum wire_id answer, struct wire_packet *ret);
void bed_ok(struct bed *bed, enum wire_id id, const void *message); // answer ok
// The request must fail; the failure is in *err.
void bed_refused(struct bed *bed, enum wire_id id, const void *message, const int *fds,
                 size_t n_fds, struct err *err);
uint32_t bed_send(struct bed *bed, enum wire_id id, const void *message, const int *fds,
                  size_t n_fds);
void bed_answer(struct bed *bed, uint32_t seq, struct wire_packet *ret); // skips progress

void bed_id(char id[ID_TEXT_SIZE]);
// name steers the fake shim: see fake_shim.c.
struct wire_agent_instance_create bed_request(const char *id, const char *name);
int bed_create(struct bed *bed, const char *id, const char *name); // socket to the shim
void bed_clear(struct bed *bed, const char *id, bool all);
const char *bed_state(struct bed *bed, const char *id, char buf[16]); // "" when not listed

bool bed_exists(const struct bed *bed, const char *below, const char *id); // DIR/below/id
size_t bed_processes(const char *word); // living ones with this word in their command line
size_t bed_cgroups(const char *id);     // directories of trine/<id>

#endif
