// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include "cli/output.h"

#include <string.h>

#define INDENT 2
#define NARROWEST 40 // columns: below this nothing is wrapped any further

// Words of `text` from column `at` on, wrapped at width, further lines indented to `indent`.
static void wrap(struct str *ret, const char *text, size_t indent, int width) {
    size_t limit = width > NARROWEST ? (size_t)width : NARROWEST, column = indent;
    bool first = true;
    while (*text) {
        size_t n = strcspn(text, " ");
        char word[256];
        size_t keep = n < sizeof(word) - 1 ? n : sizeof(word) - 1;
        memcpy(word, text, keep);
        word[keep] = '\0';
        size_t w = output_text_width(word);
        if (!first && column + 1 + w > limit) {
            str_printf(ret, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            str_add_char(ret, ' ');
            column++;
        }
        str_add(ret, word);
        column += w;
        first = false;
        text += n + (text[n] == ' ');
    }
    str_add_char(ret, '\n');
}

static void row(struct str *ret, const char *left, const char *doc, size_t column, int width) {
    size_t used = INDENT + output_text_width(left);
    str_printf(ret, "%*s%s", INDENT, "", left);
    if (used + 2 > column) {
        str_printf(ret, "\n%*s", (int)column, "");
    } else {
        str_printf(ret, "%*s", (int)(column - used), "");
    }
    wrap(ret, doc, column, width);
}

static bool in_group(const struct cli_command *command, const char *group) {
    size_t n = strlen(group);
    return strncmp(command->name, group, n) == 0 && command->name[n] == ' ';
}

const struct cli_group *help_find_group(const char *name) {
    for (size_t i = 0; i < CLI_GROUP_COUNT; i++)
        if (strcmp(cli_groups[i].name, name) == 0) return &cli_groups[i];
    return NULL;
}

static void add_flag(struct str *ret, const struct cli_flag *flag, int width) {
    auto_str struct str left = {0}, doc = {0};
    if (flag->letter)
        str_printf(&left, "-%c, --%s", flag->letter, flag->name);
    else
        str_printf(&left, "    --%s", flag->name);
    if (flag->placeholder) str_printf(&left, " %s", flag->placeholder);
    str_add(&doc, flag->doc);
    if (flag->words) {
        str_add(&doc, " One of:");
        for (const char *const *word = flag->words; *word; word++)
            str_printf(&doc, " %s%s", *word, word[1] ? "," : ".");
    }
    row(ret, str_text(&left), str_text(&doc), 30, width);
}

void help_all(struct str *ret, int width) {
    str_add(ret, "Usage: trine [flags] COMMAND …\n\nOne machine's execution, storage and network, "
                 "behind one command.\n\nCommands:\n");
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        const struct cli_command *command = &cli_commands[i];
        if (command->hidden || strchr(command->name, ' ')) continue;
        row(ret, command->name, command->summary, 14, width);
    }
    str_add(ret, "\nGroups of commands:\n");
    for (size_t i = 0; i < CLI_GROUP_COUNT; i++)
        row(ret, cli_groups[i].name, cli_groups[i].doc, 14, width);
    str_add(ret, "\nFlags of every command:\n");
    for (size_t i = 0; i < CLI_GLOBAL_FLAG_COUNT; i++) add_flag(ret, &cli_global_flags[i], width);
    str_add(ret, "\nA first instance:\n  trine daemon --background\n  trine image build --busybox\n"
                 "  trine run busybox echo hello\n\nMore of a command: trine COMMAND --help\n");
}

void help_group(struct str *ret, const struct cli_group *group, int width) {
    str_printf(ret, "Usage: trine %s COMMAND …\n\n%s\n\nCommands:\n", group->name, group->doc);
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        const struct cli_command *command = &cli_commands[i];
        if (!command->hidden && in_group(command, group->name))
            row(ret, command->name + strlen(group->name) + 1, command->summary, 14, width);
    }
    str_printf(ret, "\nMore of a command: trine %s COMMAND --help\n", group->name);
}

void help_command(struct str *ret, const struct cli_command *command, int width) {
    str_printf(ret, "Usage: %s\n\n%s.\n", command->usage, command->summary);
    if (*command->description) {
        str_add_char(ret, '\n');
        wrap(ret, command->description, 0, width);
    }
    if (command->n_args) str_add(ret, "\nArguments:\n");
    for (size_t i = 0; i < command->n_args; i++)
        row(ret, command->args[i].name, command->args[i].doc, 30, width);
    if (command->n_flags) str_add(ret, "\nFlags:\n");
    for (size_t i = 0; i < command->n_flags; i++) add_flag(ret, &command->flags[i], width);
    if (!command->role) {
        str_add(ret, "\nFlags of every command:\n");
        for (size_t i = 0; i < CLI_GLOBAL_FLAG_COUNT; i++)
            add_flag(ret, &cli_global_flags[i], width);
    }
    if (command->n_examples) str_add(ret, "\nExamples:\n");
    for (size_t i = 0; i < command->n_examples; i++) {
        str_printf(ret, "  # %s\n  %s\n", command->examples[i].doc, command->examples[i].command);
    }
}
