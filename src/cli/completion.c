// SPDX-License-Identifier: Apache-2.0
// Completion: the scripts are made with the tables (api/commands.h); the names that they offer are
// asked of the daemon, which has COMPLETE_MS to answer: a shell that waits is worse than one that
// offers nothing.
#include "base/mem.h"
#include "base/str.h"
#include "cli/families.h"
#include "cli/url.h"
#include "host/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLETE_MS 200

int completion_main(const struct cli_call *call, struct err *err) {
    const char *shell = call->args->words.items[0];
    const char *script = strcmp(shell, "bash") == 0   ? cli_completion_bash
                         : strcmp(shell, "zsh") == 0  ? cli_completion_zsh
                         : strcmp(shell, "fish") == 0 ? cli_completion_fish
                                                      : NULL;
    if (!script) {
        err_set(err, ERR_INVALID, 0, "argument SHELL", "there is no script for \"%.40s\"", shell);
        return err_next(err, "use bash, zsh or fish");
    }
    fputs(script, stdout); // cli_main says when it could not be written
    return 0;
}

// A name with anything in it that a shell or a terminal could trip over is not offered.
static void offer(const char *name, const char *prefix) {
    static const char good[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:/@+ ";
    if (name && *name && str_starts(name, prefix) && strspn(name, good) == strlen(name))
        printf("%s\n", name);
}

static void offer_member(const json_t *object, const char *key, const char *prefix) {
    const json_t *value = json_object_get(object, key);
    size_t i;
    json_t *item;
    if (json_is_string(value)) offer(json_string_value(value), prefix);
    json_array_foreach(value, i, item) offer(json_string_value(item), prefix);
}

static void offer_live(const char *path, const char *key, const char *prefix) {
    struct endpoint endpoint;
    struct client_options options = {.timeout_ms = COMPLETE_MS};
    auto_str struct str url = {0};
    json_t *answer = NULL, *item;
    size_t i;
    const char *project = getenv("TRINE_PROJECT");
    if (endpoint_choose(NULL, &endpoint, NULL) < 0) return;
    auto_client struct client *client = client_new(&endpoint, &options);
    url_path(&url, path, project && *project ? project : "default");
    if (!client || client_get(client, str_text(&url), &answer, NULL) < 0) return;
    json_array_foreach(json_object_get(answer, "items"), i, item) offer_member(item, key, prefix);
    json_decref(answer);
}

static void offer_commands(const char *prefix) {
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++)
        if (!cli_commands[i].hidden) offer(cli_commands[i].name, prefix);
}

static void offer_signals(const char *prefix) {
    for (int signo = 1; signo < 32; signo++) offer(process_signal_name(signo), prefix);
}

int cli_complete_names(int argc, char *const *argv) {
    static const struct {
        const char *kind, *path, *key;
    } live[] = {
        {"images", "/v1/images", "names"},
        {"instances", "/v1/projects/{}/instances", "name"},
        {"volumes", "/v1/projects/{}/volumes", "name"},
        {"networks", "/v1/projects/{}/networks", "name"},
        {"projects", "/v1/projects", "name"},
        {"operations", "/v1/operations", "id"},
    };
    const char *kind = argc > 0 ? argv[0] : "", *prefix = argc > 1 ? argv[1] : "";
    if (strcmp(kind, "commands") == 0) offer_commands(prefix);
    if (strcmp(kind, "signals") == 0) offer_signals(prefix);
    for (size_t i = 0; i < array_len(live); i++)
        if (strcmp(kind, live[i].kind) == 0) offer_live(live[i].path, live[i].key, prefix);
    return 0;
}
