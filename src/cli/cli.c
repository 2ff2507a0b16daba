// SPDX-License-Identifier: Apache-2.0
// From argv to a handler: global flags, the command's name (one or two words), its own words.
#include "cli/cli.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/help.h"
#include "cli/role.h"
#include "cli/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_WIDTH 80

const struct cli_command *cli_command_find(const char *name) {
    size_t low = 0, high = CLI_COMMAND_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, cli_commands[middle].name);
        if (order == 0) return &cli_commands[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct cli_handler *cli_handler_find(const char *command) {
    for (const struct cli_handler *handler = cli_handlers; handler->command; handler++)
        if (strcmp(handler->command, command) == 0) return handler;
    return NULL;
}

// The command that argv begins with; *ret_words says how many of them are its name.
static const struct cli_command *command_of(int argc, char *const *argv, int *ret_words) {
    char two[80];
    *ret_words = 2;
    if (argc >= 2 && help_find_group(argv[0])) {
        snprintf(two, sizeof(two), "%.30s %.40s", argv[0], argv[1]);
        return cli_command_find(two);
    }
    *ret_words = 1;
    return argc >= 1 ? cli_command_find(argv[0]) : NULL;
}

// What people type who know other programs.
static const char *const habits[][2] = {
    {"ls", "ps"},
    {"list", "ps"},
    {"images", "image ls"},
    {"pull", "image import"},
    {"load", "image import"},
    {"save", "image export"},
    {"delete", "rm"},
    {"remove", "rm"},
    {"rmi", "image rm"},
    {"shell", "exec -it"},
    {"info", "node"},
    {"unpause", "resume"},
    {"volumes", "volume ls"},
    {"launch", "run"},
    {"tag", "image tag"},
    {"build", "image build"},
};

static int unknown_command(int argc, char *const *argv, struct err *err) {
    const struct cli_group *group = help_find_group(argv[0]);
    const char *typed = group ? argv[1] : argv[0];
    char object[128];
    snprintf(object, sizeof(object), "command \"%.60s%s%.40s\"", argv[0], group ? " " : "",
             group ? argv[1] : "");
    err_set(err, ERR_INVALID, 0, object, "there is no such command");
    for (size_t i = 0; !group && i < array_len(habits); i++)
        if (strcmp(habits[i][0], typed) == 0)
            return err_next(err, "did you mean trine %s?", habits[i][1]);
    struct suggest near = {.typed = typed};
    size_t skip = group ? strlen(group->name) + 1 : 0;
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        const char *name = cli_commands[i].name;
        if (cli_commands[i].hidden) continue;
        if (!group && !strchr(name, ' ')) suggest_offer(&near, name);
        if (group && str_starts(name, group->name) && name[skip - 1] == ' ')
            suggest_offer(&near, name + skip);
    }
    for (size_t i = 0; !group && i < CLI_GROUP_COUNT; i++) suggest_offer(&near, cli_groups[i].name);
    if (near.best)
        return err_next(err, "did you mean trine %s%s%s?", group ? group->name : "",
                        group ? " " : "", near.best);
    return err_next(err, "see trine %s%s--help", group ? group->name : "", group ? " " : "");
}

static int print_help(const struct str *text) {
    return fputs(str_text(text), stdout) < 0 || fflush(stdout) != 0 ? err_kind_exit(ERR_IO) : 0;
}

static int help_width(void) {
    struct output output;
    output_init(&output);
    return output.width > 0 && output.width < HELP_WIDTH + 20 ? output.width : HELP_WIDTH;
}

// trine help [COMMAND…]
static int help_for(int argc, char *const *argv, struct err *err) {
    auto_str struct str text = {0};
    int words;
    const struct cli_command *command = command_of(argc, argv, &words);
    const struct cli_group *group = argc == 1 ? help_find_group(argv[0]) : NULL;
    if (argc == 0)
        help_all(&text, help_width());
    else if (group)
        help_group(&text, group, help_width());
    else if (command)
        help_command(&text, command, help_width());
    else
        return unknown_command(argc, argv, err);
    return print_help(&text);
}

static int settings_read(struct cli_call *call, struct endpoint *endpoint, struct err *err) {
    const struct args *args = call->args;
    int r = endpoint_choose(args_value(args, "host"), endpoint, err);
    if (r < 0) return r;
    call->project = args_value(args, "project");
    if (!call->project) call->project = getenv("TRINE_PROJECT");
    if (!call->project || !*call->project) call->project = "default";
    r = text_check_name("project", call->project, err);
    if (r < 0) return r;
    output_init(&call->output);
    call->output.quiet = args_has(args, "quiet");
    call->output.no_header = args_has(args, "no-header");
    const char *format = args_value(args, "format");
    call->output.chosen = format != NULL;
    return format ? output_format_parse(format, &call->output.format, err) : 0;
}

static int call_handler(const struct cli_handler *handler, struct cli_call *call, struct err *err) {
    struct endpoint endpoint;
    int r = args_check_count(call->args, err);
    if (r >= 0) r = settings_read(call, &endpoint, err);
    if (r < 0) return r;
    struct client_options options = {.debug = args_has(call->args, "debug")};
    auto_client struct client *client = client_new(&endpoint, &options);
    if (!client) return err_set(err, ERR_NO_SPACE, 0, "command", "no memory for it");
    call->client = client;
    call->endpoint = &endpoint;
    return handler->fn(call, err);
}

// The words behind the command's name.
static int run_command(struct args *args, const struct cli_command *command, int argc,
                       char *const *argv, int *ret_own_failure, struct err *err) {
    const char *role = role_of(command->name);
    if (role) return role_exec(role, argc, argv, err);
    const struct cli_handler *handler = cli_handler_find(command->name);
    if (!handler) {
        char object[128];
        snprintf(object, sizeof(object), "command \"%s\"", command->name);
        return err_set(err, ERR_UNSUPPORTED, 0, object, "this release does not have it");
    }
    *ret_own_failure = handler->own_failure;
    int used;
    int r = args_parse(args, command, argc, argv, &used, err);
    if (r < 0) return r;
    if (args_has(args, "help")) {
        auto_str struct str text = {0};
        help_command(&text, command, help_width());
        return print_help(&text);
    }
    struct cli_call call = {.command = command, .args = args, .argv = argv, .argc = argc};
    return call_handler(handler, &call, err);
}

static int dispatch(int argc, char *const *argv, int *ret_own_failure, struct err *err) {
    static char *const version[] = {(char *)"version", NULL};
    auto_args struct args args = {0};
    int used = 0, words = 0;
    if (argc > 0 && strcmp(argv[0], "--version") == 0) argv = version;
    int r = args_parse(&args, NULL, argc, argv, &used, err);
    if (r < 0) return r;
    argc -= used;
    argv += used;
    if (argc > 0 && strcmp(argv[0], "help") == 0) return help_for(argc - 1, argv + 1, err);
    // A group alone, or with --help, explains itself; so does trine alone.
    bool group_help = argc > 0 && help_find_group(argv[0]) &&
                      (argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc == 0 || group_help) return help_for(group_help ? 1 : 0, argv, err);
    if (strcmp(argv[0], "__complete") == 0) return cli_complete_names(argc - 1, argv + 1);
    const struct cli_command *command = command_of(argc, argv, &words);
    if (!command && role_of(argv[0])) return role_exec(role_of(argv[0]), argc - 1, argv + 1, err);
    if (!command) return unknown_command(argc, argv, err);
    return run_command(&args, command, argc - words, argv + words, ret_own_failure, err);
}

int cli_main(int argc, char **argv) {
    struct err err = {0};
    int own_failure = 0;
    int r = dispatch(argc - 1, argv + 1, &own_failure, &err);
    // What nobody could write was not done: "trine ps -q >/dev/full" must not look like success.
    if (r >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
        r = err_os(&err, errno ? errno : EIO, "standard output", "cannot write to it");
    if (r >= 0) return r;
    err_print(&err);
    return own_failure ? own_failure : err_kind_exit(err.kind);
}
