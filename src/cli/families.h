// SPDX-License-Identifier: Apache-2.0
// The handlers of all commands, by the file that holds them.
#ifndef TRINE_CLI_FAMILIES_H
#define TRINE_CLI_FAMILIES_H

#include "cli/cli.h"

// instance.c
cli_handler_fn instance_ps, instance_create, instance_inspect, instance_update, instance_act,
    instance_start, instance_wait, instance_top;
// run.c, exec.c, logs.c
cli_handler_fn run_main, exec_main, attach_main, logs_main;
// image.c
cli_handler_fn image_ls, image_inspect, image_rm, image_tag, image_import, image_export,
    image_build, image_prune;
// The images of an operation's result, by the name that was asked for (image.c).
int image_print_made(const struct cli_call *call, const json_t *result, struct err *err);
// volume.c, network.c, project.c
cli_handler_fn volume_ls, volume_create, volume_inspect, volume_rm;
cli_handler_fn network_ls, network_create, network_inspect;
cli_handler_fn project_ls, project_create, project_inspect, project_edit, project_rm;
// operation.c, events.c, node.c, stats.c
cli_handler_fn operation_ls, operation_inspect, operation_wait, operation_cancel;
cli_handler_fn events_main, node_main, stats_main, metrics_main, openapi_main;
// completion.c, doctor.c, version.c
cli_handler_fn completion_main, doctor_main, version_main;

// An instance is attached to, started, and its program's exit code returned (run.c).
struct foreground {
    const char *id, *name; // of the instance
    bool input, terminal, replay, start;
    const char *detach_keys; // NULL: the usual ones
    bool forget;             // remove the instance when it cannot be started
};
int run_foreground(const struct cli_call *call, const struct foreground *what, struct err *err);

#endif
