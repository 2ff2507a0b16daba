// SPDX-License-Identifier: Apache-2.0
// A control plane without its agent: a memory store, the API on a socket, and the agent's end of the wire in the
// test's hand.
//
//   client fd ── http_bed ── handlers of the API ── struct cloud ── wire ── on_agent of the test
#ifndef TRINE_TESTS_CLOUD_CLOUD_BED_H
#define TRINE_TESTS_CLOUD_CLOUD_BED_H

#include "http_bed.h"

#include "cloud/object.h"

struct cloud_bed {
    struct bed *http;
    struct cloud cloud;
    struct wire_channel *agent;
    wire_packet_fn *on_agent; // arg: the bed; NULL: the agent is silent
    void *data;               // the test's own
};

int cloud_bed_setup(void **state); // for cmocka; *state is a struct cloud_bed
int cloud_bed_teardown(void **state);
void cloud_bed_reopen(struct cloud_bed *bed); // as a daemon that was killed and started again
void cloud_bed_turn(struct cloud_bed *bed);
void cloud_bed_put(struct cloud_bed *bed, const char *key, json_t *doc); // steals doc
// An instance of project default that runs, as far as its record says.
struct object *cloud_bed_instance(struct cloud_bed *bed, const char *name, const char *state);

#endif
