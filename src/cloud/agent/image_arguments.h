// SPDX-License-Identifier: Apache-2.0
// From a job request to the command line of trine-image. Pure.
#ifndef TRINE_CLOUD_AGENT_IMAGE_ARGUMENTS_H
#define TRINE_CLOUD_AGENT_IMAGE_ARGUMENTS_H

#include "base/vec.h"
#include "wire/messages.h"

#include <stdbool.h>

#define IMAGE_WIRE_FD 3

struct image_stream {
    int fd;         // -1: none
    int to;         // its number in the child
    bool keep_list; // the ids of job->keep are to be read there, one a line
};

// Checks everything. n_fds: descriptors that came with the request. ret_stream->to is set, fd not.
int image_arguments(const struct wire_agent_image_job *job, const char *state_dir, size_t n_fds,
                    struct strv *ret_argv, struct image_stream *ret_stream, struct err *err);

#endif
