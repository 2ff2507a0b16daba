// SPDX-License-Identifier: Apache-2.0
// trine-oci: an OCI runtime on the command line, with the words and flags of the field's runtimes.
// Here: the tables of commands and flags, and main(). What the commands do is in
// execution/container/runtime*.c.
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "execution/container/runtime.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    GLOBAL = 1 << 0,
    CREATE = 1 << 1,
    RUN = 1 << 2,
    EXEC = 1 << 3,
    KILL = 1 << 4,
    DELETE = 1 << 5,
    LIST = 1 << 6,
    PS = 1 << 7,
    UPDATE = 1 << 8,
    EVENTS = 1 << 9,
    SPEC = 1 << 10,
    PLAIN = 1 << 11, // commands without flags of their own
};

enum flag {
    F_ROOT = 256,
    F_LOG,
    F_LOG_FORMAT,
    F_IGNORED,
    F_IGNORED_ARG,
    F_HELP,
    F_VERSION,
    F_BUNDLE,
    F_CONFIG,
    F_CONSOLE_SOCKET,
    F_PID_FILE,
    F_NO_PIVOT,
    F_NO_NEW_KEYRING,
    F_PRESERVE_FDS,
    F_DETACH,
    F_KEEP,
    F_PROCESS,
    F_CWD,
    F_ENV,
    F_TTY,
    F_USER,
    F_GROUPS,
    F_NO_NEW_PRIVS,
    F_CAP,
    F_IGNORE_PAUSED,
    F_ALL,
    F_FORCE,
    F_FORMAT,
    F_QUIET,
    F_RESOURCES,
    F_STATS,
    F_ROOTLESS,
};

static const struct option_entry {
    const char *name;
    char letter;
    const char *value; // what the argument is, NULL: none
    unsigned commands;
    enum flag flag;
    const char *help;
} options[] = {
    {"root", 0, "DIR", GLOBAL, F_ROOT, "where the state is kept (default /run/trine-oci)"},
    {"log", 0, "FILE", GLOBAL, F_LOG, "append errors and warnings to FILE"},
    {"log-format", 0, "FORMAT", GLOBAL, F_LOG_FORMAT, "text or json"},
    {"debug", 0, NULL, GLOBAL, F_IGNORED, "accepted, no effect"},
    {"systemd-cgroup", 0, NULL, GLOBAL, F_IGNORED, "accepted: groups are made directly"},
    {"cgroup-manager", 0, "NAME", GLOBAL, F_IGNORED_ARG, "accepted: groups are made directly"},
    {"rootless", 0, "MODE", GLOBAL, F_IGNORED_ARG, "accepted: found out by itself"},
    {"criu", 0, "PATH", GLOBAL, F_IGNORED_ARG, "accepted, no effect"},
    {"version", 'v', NULL, GLOBAL, F_VERSION, "print the version"},
    {"bundle", 'b', "DIR", CREATE | RUN | SPEC, F_BUNDLE, "the bundle (default: here)"},
    {"config", 'f', "FILE", CREATE | RUN, F_CONFIG, "in place of config.json"},
    {"console-socket", 0, "PATH", CREATE | RUN | EXEC, F_CONSOLE_SOCKET,
     "socket that receives the terminal"},
    {"pid-file", 0, "FILE", CREATE | RUN | EXEC, F_PID_FILE, "write the pid there"},
    {"no-pivot", 0, NULL, CREATE | RUN, F_NO_PIVOT, "chroot in place of pivot_root"},
    {"no-new-keyring", 0, NULL, CREATE | RUN, F_NO_NEW_KEYRING, "keep the session keyring"},
    {"no-subreaper", 0, NULL, RUN, F_IGNORED, "accepted, no effect"},
    {"preserve-fds", 0, "N", CREATE | RUN | EXEC, F_PRESERVE_FDS, "pass N descriptors from 3 on"},
    {"detach", 'd', NULL, RUN | EXEC, F_DETACH, "do not wait for the end"},
    {"keep", 0, NULL, RUN, F_KEEP, "do not delete the container at its end"},
    {"process", 'p', "FILE", EXEC, F_PROCESS, "the process object as JSON"},
    {"cwd", 0, "DIR", EXEC, F_CWD, "working directory"},
    {"env", 'e', "NAME=VALUE", EXEC, F_ENV, "add to the environment"},
    {"tty", 't', NULL, EXEC, F_TTY, "with a terminal"},
    {"user", 'u', "USER[:GROUP]", EXEC, F_USER, "ids, or names of the container"},
    {"additional-gids", 'g', "GID", EXEC, F_GROUPS, "add a group"},
    {"no-new-privs", 0, NULL, EXEC, F_NO_NEW_PRIVS, "no new privileges"},
    {"cap", 'c', "CAP", EXEC, F_CAP, "add a capability"},
    {"apparmor", 0, "PROFILE", EXEC, F_IGNORED_ARG, "accepted, no effect on this host"},
    {"process-label", 0, "LABEL", EXEC, F_IGNORED_ARG, "accepted, no effect"},
    {"ignore-paused", 0, NULL, EXEC, F_IGNORE_PAUSED, "also in a paused container"},
    {"all", 'a', NULL, KILL, F_ALL, "every process of the container"},
    {"force", 'f', NULL, DELETE, F_FORCE, "kill it first"},
    {"format", 'f', "FORMAT", LIST | PS, F_FORMAT, "table or json"},
    {"quiet", 'q', NULL, LIST, F_QUIET, "only ids"},
    {"resources", 'r', "FILE", UPDATE, F_RESOURCES, "the resources object as JSON, - for stdin"},
    {"stats", 0, NULL, EVENTS, F_STATS, "one reading, then end"},
    {"interval", 0, "TIME", EVENTS, F_IGNORED_ARG, "accepted, no effect"},
    {"rootless", 0, NULL, SPEC, F_ROOTLESS, "for a user without rights"},
    {"help", 'h', NULL, ~0u, F_HELP, "this text"},
};

static const struct command {
    const char *name, *args, *help;
    unsigned bit;
    bool needs_id, seals;
    int (*run)(struct runtime *rt, struct err *err);
} commands[] = {
    {"create", "ID", "make a container that waits for start", CREATE, true, true, runtime_create},
    {"start", "ID", "let a created container run", PLAIN, true, false, runtime_start},
    {"run", "ID", "create, start, and wait for the end", RUN, true, true, runtime_run},
    {"exec", "ID COMMAND [ARG...]", "run a further program in it", EXEC, true, true, runtime_exec},
    {"state", "ID", "print its state as JSON", PLAIN, true, false, runtime_state},
    {"kill", "ID [SIGNAL]", "send a signal (default TERM)", KILL, true, false, runtime_kill},
    {"delete", "ID", "remove what is left of it", DELETE, true, false, runtime_delete},
    {"list", "", "print all containers", LIST, false, false, runtime_list},
    {"ps", "ID", "print its processes", PS, true, false, runtime_ps},
    {"pause", "ID", "freeze all its processes", PLAIN, true, false, runtime_pause},
    {"resume", "ID", "let them go on", PLAIN, true, false, runtime_resume},
    {"update", "ID", "change its limits", UPDATE, true, false, runtime_update},
    {"events", "ID", "print its figures", EVENTS, true, false, runtime_events},
    {"features", "", "print what this runtime can do, as JSON", PLAIN, false, false,
     runtime_features},
    {"spec", "", "write a config.json to start from", SPEC, false, false, runtime_spec},
    {"checkpoint", "ID", "not supported", PLAIN, true, false, runtime_checkpoint},
    {"restore", "ID", "not supported", PLAIN, true, false, runtime_checkpoint},
};

// Where --log and --log-format lead.
static struct {
    const char *path;
    bool json;
} log_target;

static void log_line(const char *level, const char *text) {
    if (!log_target.path) return;
    char now[TIME_TEXT_SIZE];
    time_format(clock_realtime(clock_system()), now);
    auto_str struct str s = {0};
    if (log_target.json) {
        str_printf(&s, "{\"level\":\"%s\",\"msg\":", level);
        str_add_json(&s, text);
        str_printf(&s, ",\"time\":\"%s\"}\n", now);
    } else {
        str_printf(&s, "time=\"%s\" level=%s msg=", now, level);
        str_add_json(&s, text);
        str_add(&s, "\n");
    }
    auto_close int fd = open(log_target.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) (void)file_write_all(fd, s.data, s.len);
}

static void warn(const char *text, void *arg) {
    (void)arg;
    log_line("warning", text);
    if (!log_target.path) dprintf(2, "trine-oci: warning: %s\n", text);
}

static void print_options(unsigned bit) {
    printf("\nOptions:\n");
    for (size_t i = 0; i < array_len(options); i++) {
        const struct option_entry *o = &options[i];
        if (!(o->commands & bit)) continue;
        char left[64];
        snprintf(left, sizeof(left), "%c%c --%s%s%s", o->letter ? '-' : ' ',
                 o->letter ? o->letter : ' ', o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-28s %s\n", left, o->help);
    }
}

static int print_help(const struct command *command) {
    if (command) {
        printf("Usage: trine-oci %s [OPTIONS] %s\n%c%s.\n", command->name, command->args,
               command->help[0] - 32, command->help + 1);
        print_options(command->bit);
        return 0;
    }
    printf("Usage: trine-oci [OPTIONS] COMMAND [ARG...]\nAn OCI container runtime.\n\nCommands:\n");
    for (size_t i = 0; i < array_len(commands); i++)
        printf("  %-12s %s\n", commands[i].name, commands[i].help);
    print_options(GLOBAL);
    printf("\n`trine-oci COMMAND --help` explains a command.\n");
    return 0;
}

static int parse_count(const char *name, const char *value, unsigned *ret, struct err *err) {
    uint64_t n = 0;
    int r = text_parse_u64(name, value, 0, 1024, &n, err);
    *ret = (unsigned)n;
    return r;
}

static int take_format(struct runtime *rt, const char *value, struct err *err) {
    rt->format = value;
    if (!strcmp(value, "json") || !strcmp(value, "table")) return 0;
    return err_set(err, ERR_INVALID, 0, "flag --format", "\"%s\" is neither table nor json", value);
}

static int take_log_format(const char *value, struct err *err) {
    log_target.json = !strcmp(value, "json");
    if (log_target.json || !strcmp(value, "text")) return 0;
    return err_set(err, ERR_INVALID, 0, "flag --log-format", "\"%s\" is neither text nor json",
                   value);
}

static int take_option(struct runtime *rt, enum flag flag, const char *value, struct err *err) {
    const struct {
        enum flag flag;
        const char **text;
        bool *on;
        struct strv *list;
    } simple[] = {
        {F_ROOT, &rt->root},
        {F_LOG, &log_target.path},
        {F_BUNDLE, &rt->bundle},
        {F_CONFIG, &rt->config},
        {F_CONSOLE_SOCKET, &rt->console_socket},
        {F_PID_FILE, &rt->pid_file},
        {F_PROCESS, &rt->process_file},
        {F_CWD, &rt->cwd},
        {F_USER, &rt->user},
        {F_RESOURCES, &rt->resources_file},
        {F_NO_PIVOT, .on = &rt->no_pivot},
        {F_NO_NEW_KEYRING, .on = &rt->no_new_keyring},
        {F_DETACH, .on = &rt->detach},
        {F_KEEP, .on = &rt->keep},
        {F_TTY, .on = &rt->tty},
        {F_NO_NEW_PRIVS, .on = &rt->no_new_privileges},
        {F_IGNORE_PAUSED, .on = &rt->ignore_paused},
        {F_ALL, .on = &rt->all},
        {F_FORCE, .on = &rt->force},
        {F_QUIET, .on = &rt->quiet},
        {F_STATS, .on = &rt->stats},
        {F_ROOTLESS, .on = &rt->rootless},
        {F_ENV, .list = &rt->env},
        {F_CAP, .list = &rt->caps},
        {F_GROUPS, .list = &rt->groups},
    };
    for (size_t i = 0; i < array_len(simple); i++) {
        if (simple[i].flag != flag) continue;
        if (simple[i].text) *simple[i].text = value;
        if (simple[i].on) *simple[i].on = true;
        if (simple[i].list) strv_add(simple[i].list, value);
        return 0;
    }
    if (flag == F_PRESERVE_FDS) return parse_count("--preserve-fds", value, &rt->preserve_fds, err);
    if (flag == F_FORMAT) return take_format(rt, value, err);
    if (flag == F_LOG_FORMAT) return take_log_format(value, err);
    return 0;
}

// The options of one level; returns the index of the first word after them, or a negative errno.
// *ret_special: F_HELP or F_VERSION when given.
static int parse_level(struct runtime *rt, unsigned bit, bool stop_at_word, int argc, char **argv,
                       enum flag *ret_special, struct err *err) {
    struct option longs[array_len(options) + 1];
    char shorts[array_len(options) * 2 + 4] = ":";
    size_t n = 0, len = 1;
    if (stop_at_word) memmove(shorts, "+:", 3), len = 2;
    for (size_t i = 0; i < array_len(options); i++) {
        const struct option_entry *o = &options[i];
        if (!(o->commands & bit)) continue;
        int has = o->value ? required_argument : no_argument;
        longs[n++] = (struct option){o->name, has, NULL, (int)(1000 + i)};
        if (!o->letter) continue;
        shorts[len++] = o->letter;
        if (o->value) shorts[len++] = ':';
        shorts[len] = 0;
    }
    longs[n] = (struct option){0};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (c == '?' || c == ':') {
            err_set(err, ERR_INVALID, 0, argv[optind - 1],
                    c == '?' ? "unknown option" : "its value is missing");
            return err_next(err, "trine-oci --help, or COMMAND --help, lists the options");
        }
        size_t i = c >= 1000 ? (size_t)c - 1000 : 0;
        for (; c < 1000 && !(options[i].commands & bit && options[i].letter == c);) i++;
        if (options[i].flag == F_HELP || options[i].flag == F_VERSION) {
            *ret_special = options[i].flag;
            return 0;
        }
        int r = take_option(rt, options[i].flag, optarg, err);
        if (r < 0) return r;
    }
    return optind;
}

static int check_preserved(const struct runtime *rt, struct err *err) {
    for (unsigned fd = 3; fd < 3 + rt->preserve_fds; fd++)
        if (fcntl((int)fd, F_GETFD) < 0)
            return err_set(err, ERR_INVALID, 0, "flag --preserve-fds", "descriptor %u is not open",
                           fd);
    return 0;
}

static int take_words(struct runtime *rt, const struct command *command, int argc, char **argv,
                      int at, struct err *err) {
    if (!command->needs_id)
        return at == argc ? 0 : err_set(err, ERR_INVALID, 0, argv[at], "one word too many");
    if (at >= argc) {
        err_set(err, ERR_INVALID, 0, command->name, "the container's id is missing");
        return err_next(err, "trine-oci %s %s", command->name, command->args);
    }
    rt->id = argv[at++];
    if (command->bit == EXEC || command->bit == PS) {
        for (; at < argc; at++) strv_add(&rt->args, argv[at]);
    } else if (command->bit == KILL && at < argc) {
        if (process_signal_parse(argv[at++], &rt->signo) < 0) {
            err_set(err, ERR_INVALID, 0, argv[at - 1], "no such signal");
            return err_next(err, "give a name (TERM, SIGTERM) or a number");
        }
    }
    return at == argc ? 0 : err_set(err, ERR_INVALID, 0, argv[at], "one word too many");
}

static const char *default_root(void) {
    const char *user_dir = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0) return "/run/trine-oci";
    return user_dir && *user_dir ? mem_printf("%s/trine-oci", user_dir)
                                 : mem_printf("/tmp/trine-oci-%u", geteuid());
}

static int run(struct runtime *rt, int argc, char **argv, struct err *err) {
    enum flag special = F_IGNORED;
    int at = parse_level(rt, GLOBAL, true, argc, argv, &special, err);
    if (at < 0) return at;
    if (special == F_VERSION) {
        printf("trine-oci version " TRINE_VERSION "\nspec: 1.2.0\n");
        return 0;
    }
    if (special == F_HELP || at >= argc) return print_help(NULL);
    size_t i = 0;
    while (i < array_len(commands) && strcmp(argv[at], commands[i].name)) i++;
    if (i == array_len(commands)) {
        err_set(err, ERR_INVALID, 0, argv[at], "unknown command");
        return err_next(err, "trine-oci --help lists them");
    }
    const struct command *command = &commands[i];
    argc -= at;
    argv += at;
    at = parse_level(rt, command->bit, command->bit == EXEC, argc, argv, &special, err);
    if (at < 0) return at;
    if (special == F_HELP) return print_help(command);
    int r = take_words(rt, command, argc, argv, at, err);
    if (r == 0) r = check_preserved(rt, err);
    if (r == 0 && command->seals) r = container_seal_self(rt->argv, err);
    return r < 0 ? r : command->run(rt, err);
}

int main(int argc, char **argv) {
    struct runtime rt = {.signo = SIGTERM, .warn = warn};
    struct err err = {0};
    rt.root = default_root();
    rt.argv = argv;
    (void)prctl(PR_SET_NAME, "trine-oci");
    int r = run(&rt, argc, argv, &err);
    fflush(stdout);
    if (r >= 0) return r;
    char text[2048];
    err_format(&err, text, sizeof(text));
    log_line("error", text);
    err_print(&err);
    int code = container_exit_code(&err);
    return code == 125 ? 1 : code;
}
