// SPDX-License-Identifier: Apache-2.0
#include "cli/args.h"

#include "base/str.h"
#include "base/text.h"
#include "cli/suggest.h"
#include "host/process.h"

#include <string.h>

void args_free(struct args *args) {
    vec_free(&args->flags);
    vec_free(&args->words);
}

// Calls fn for the command's own flags, then for the global ones, until it says yes.
static const struct cli_flag *flag_at(const struct cli_command *command, size_t i) {
    size_t own = command ? command->n_flags : 0;
    if (i < own) return &command->flags[i];
    return i - own < CLI_GLOBAL_FLAG_COUNT ? &cli_global_flags[i - own] : NULL;
}

static const struct cli_flag *find_long(const struct cli_command *command, const char *name,
                                        size_t n) {
    const struct cli_flag *flag;
    for (size_t i = 0; (flag = flag_at(command, i)) != NULL; i++)
        if (strlen(flag->name) == n && memcmp(flag->name, name, n) == 0) return flag;
    return NULL;
}

static const struct cli_flag *find_letter(const struct cli_command *command, char letter) {
    const struct cli_flag *flag;
    for (size_t i = 0; (flag = flag_at(command, i)) != NULL; i++)
        if (flag->letter && flag->letter == letter) return flag;
    return NULL;
}

static const char *command_name(const struct cli_command *command) {
    return command ? command->name : "";
}

static int unknown_flag(const struct cli_command *command, const char *word, struct err *err) {
    char typed[64];
    snprintf(typed, sizeof(typed), "%.*s", (int)strcspn(word, "="), word);
    struct suggest near = {.typed = typed + (typed[1] == '-' ? 2 : 1)};
    const struct cli_flag *flag;
    for (size_t i = 0; (flag = flag_at(command, i)) != NULL; i++) suggest_offer(&near, flag->name);
    char object[128];
    snprintf(object, sizeof(object), "flag %s", typed);
    err_set(err, ERR_INVALID, 0, object, "trine%s%s has no such flag", command ? " " : "",
            command_name(command));
    if (near.best && near.typed[1]) return err_next(err, "did you mean --%s?", near.best);
    return err_next(err, "see trine %s%s--help", command_name(command), command ? " " : "");
}

static int check_word(const struct cli_flag *flag, const char *what, const char *value,
                      struct err *err) {
    auto_str struct str list = {0};
    struct suggest near = {.typed = value};
    for (const char *const *word = flag->words; *word; word++) {
        if (strcmp(*word, value) == 0) return 0;
        suggest_offer(&near, *word);
        str_printf(&list, "%s%s", list.len ? ", " : "", *word);
    }
    err_set(err, ERR_INVALID, 0, what, "\"%.60s\" is not one of %s", value, str_text(&list));
    return near.best ? err_next(err, "did you mean %s?", near.best) : err_code(err);
}

// A label's or an option's "KEY=VALUE"; the value may be left out where the table says so.
static int check_map(const struct cli_flag *flag, const char *what, const char *value,
                     struct err *err) {
    const char *equals = strchr(value, '=');
    bool may_stand_alone = flag->placeholder && strchr(flag->placeholder, '[') != NULL;
    if (*value && *value != '=' && (equals || may_stand_alone)) return 0;
    err_set(err, ERR_INVALID, 0, what, "\"%.60s\" is not of the form %s", value, flag->placeholder);
    return err_next(err, "write it as --%s %s", flag->name, flag->placeholder);
}

static int check_value(const struct cli_flag *flag, const char *value, struct err *err) {
    char what[80];
    uint64_t number;
    int64_t duration;
    snprintf(what, sizeof(what), "flag --%s", flag->name);
    if (flag->words) return check_word(flag, what, value, err);
    switch (flag->type) {
    case CLI_INT:
        return text_parse_u64(what, value, 0, INT64_MAX, &number, err);
    case CLI_NUMBER:
        return text_parse_nano(what, value, &number, err);
    case CLI_SIZE:
        return text_parse_size(what, value, &number, err);
    case CLI_DURATION:
        return text_parse_duration(what, value, &duration, err);
    case CLI_MAP:
        return check_map(flag, what, value, err);
    case CLI_BOOL:
        if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) return 0;
        err_set(err, ERR_INVALID, 0, what, "\"%.60s\" is neither true nor false", value);
        return err_next(err, "write --%s alone, or --%s=false", flag->name, flag->name);
    case CLI_STRING:
    case CLI_LIST:
        break;
    }
    if (flag->complete == CLI_COMPLETE_SIGNALS) {
        int signo;
        if (process_signal_parse(value, &signo) < 0) {
            err_set(err, ERR_INVALID, 0, what, "\"%.60s\" is not a signal", value);
            return err_next(err, "write it as TERM, SIGTERM or 15");
        }
    }
    return 0;
}

static int add_flag(struct args *ret, const struct cli_flag *flag, const char *value,
                    struct err *err) {
    int r = check_value(flag, value, err);
    if (r < 0) return r;
    vec_add(&ret->flags, (struct args_flag){.flag = flag, .value = value});
    return 0;
}

static int missing_value(const struct cli_flag *flag, struct err *err) {
    char what[80];
    snprintf(what, sizeof(what), "flag --%s", flag->name);
    err_set(err, ERR_INVALID, 0, what, "its value is missing");
    return err_next(err, "write it as --%s %s", flag->name,
                    flag->placeholder ? flag->placeholder : "VALUE");
}

// "--name", "--name=value" or "--name" "value". Returns the words used (1 or 2).
static int parse_long(struct args *ret, const struct cli_command *command, const char *word,
                      const char *next, struct err *err) {
    const char *name = word + 2;
    size_t n = strcspn(name, "=");
    const struct cli_flag *flag = find_long(command, name, n);
    if (!flag) return unknown_flag(command, word, err);
    const char *value = name[n] ? name + n + 1 : NULL;
    bool takes_next = !value && flag->type != CLI_BOOL;
    if (!value) value = flag->type == CLI_BOOL ? "true" : next;
    if (!value) return missing_value(flag, err);
    int r = add_flag(ret, flag, value, err);
    return r < 0 ? r : 1 + takes_next;
}

// "-d", "-it", "-m512M", "-m=512M" or "-m" "512M".
static int parse_letters(struct args *ret, const struct cli_command *command, const char *word,
                         const char *next, struct err *err) {
    for (const char *at = word + 1; *at; at++) {
        const struct cli_flag *flag = find_letter(command, *at);
        if (!flag) {
            char one[] = {'-', *at, '\0'};
            return unknown_flag(command, word[2] && at == word + 1 ? word : one, err);
        }
        int r;
        if (flag->type == CLI_BOOL) {
            r = add_flag(ret, flag, "true", err);
            if (r < 0) return r;
            continue;
        }
        const char *value = at[1] == '=' ? at + 2 : at[1] ? at + 1 : next;
        if (!value) return missing_value(flag, err);
        r = add_flag(ret, flag, value, err);
        return r < 0 ? r : 1 + !at[1];
    }
    return 1;
}

static bool has_rest(const struct cli_command *command) {
    return command->n_args > 0 && command->args[command->n_args - 1].rest;
}

int args_parse(struct args *ret, const struct cli_command *command, int argc, char *const *argv,
               int *ret_used, struct err *err) {
    bool flags_end = false;
    int i = 0;
    ret->command = command;
    while (i < argc) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (flags_end || word[0] != '-' || !word[1]) { // "-" alone is a file
            if (!command) break;
            vec_add(&ret->words, word);
            if (has_rest(command)) flags_end = true;
            i++;
        } else if (strcmp(word, "--") == 0) {
            flags_end = true;
            i++;
        } else {
            int r = word[1] == '-' ? parse_long(ret, command, word, next, err)
                                   : parse_letters(ret, command, word, next, err);
            if (r < 0) return r;
            i += r;
        }
    }
    *ret_used = i;
    return 0;
}

int args_check_count(const struct args *args, struct err *err) {
    const struct cli_command *command = args->command;
    size_t least = 0;
    bool open = false;
    for (size_t i = 0; i < command->n_args; i++) {
        least += !command->args[i].optional;
        open |= command->args[i].repeat;
    }
    char what[80];
    if (args->words.len < least) {
        snprintf(what, sizeof(what), "argument %s", command->args[args->words.len].name);
        err_set(err, ERR_INVALID, 0, what, "it is missing");
        return err_next(err, "usage: %s", command->usage);
    }
    if (!open && args->words.len > command->n_args) {
        snprintf(what, sizeof(what), "argument \"%.40s\"", args->words.items[command->n_args]);
        err_set(err, ERR_INVALID, 0, what, "trine %s takes %s", command->name,
                command->n_args ? "no more than it has" : "none");
        return err_next(err, "usage: %s", command->usage);
    }
    return 0;
}

const char *args_value(const struct args *args, const char *name) {
    const char *value = NULL;
    for (size_t i = 0; i < args->flags.len; i++)
        if (strcmp(args->flags.items[i].flag->name, name) == 0) value = args->flags.items[i].value;
    return value;
}

bool args_has(const struct args *args, const char *name) {
    const char *value = args_value(args, name);
    return value && strcmp(value, "true") == 0;
}

bool args_given(const struct args *args, const char *name) {
    return args_value(args, name) != NULL;
}

const char *const *args_words(const struct args *args, size_t i, size_t *ret_n) {
    *ret_n = 0;
    if (i >= args->words.len || i >= args->command->n_args) return NULL;
    *ret_n = args->command->args[i].repeat ? args->words.len - i : 1;
    return args->words.items + i;
}
