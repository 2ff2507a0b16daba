// SPDX-License-Identifier: Apache-2.0
// One entry of cli_commands[], the table that api/generate.py makes from the "cli" part of each
// operation and from api/commands: what the command line takes, says in --help and completes.
#ifndef TRINE_API_COMMAND_H
#define TRINE_API_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

// What the shell completes; the word is what `trine __complete KIND PREFIX` gets.
enum cli_complete {
    CLI_COMPLETE_NONE,
    CLI_COMPLETE_IMAGES,
    CLI_COMPLETE_INSTANCES,
    CLI_COMPLETE_VOLUMES,
    CLI_COMPLETE_NETWORKS,
    CLI_COMPLETE_PROJECTS,
    CLI_COMPLETE_OPERATIONS,
    CLI_COMPLETE_COMMANDS,
    CLI_COMPLETE_SIGNALS,
    CLI_COMPLETE_FILES, // done by the shell alone
    CLI_COMPLETE_WORDS, // the words of the table; done by the shell alone
};

// How a flag's text is read (base/text.h). In requests: a size is a member …_bytes, a duration one
// …_ms.
enum cli_type {
    CLI_BOOL,     // takes no value; --flag=false says no
    CLI_STRING,   //
    CLI_INT,      // whole number
    CLI_NUMBER,   // decimal fraction, "1.5"
    CLI_SIZE,     // "512M"
    CLI_DURATION, // "1m30s"
    CLI_LIST,     // may be given several times
    CLI_MAP,      // KEY=VALUE, may be given several times
};

struct cli_flag {
    const char *name;        // "memory": --memory
    const char *placeholder; // "SIZE"; NULL for a CLI_BOOL
    const char *field;       // "body.limits.memory_bytes", "query.force", "path.project"; NULL: the
                             // command's own code reads it
    const char *doc;
    const char *const *words; // NULL-terminated; values for CLI_COMPLETE_WORDS, the only ones taken
    char letter;              // 'm': -m; 0: none
    enum cli_type type;
    enum cli_complete complete;
};

struct cli_arg {
    const char *name;  // "INSTANCE"
    const char *field; // as of a flag
    const char *doc;
    const char *const *words; // as of a flag
    enum cli_complete complete;
    bool optional;
    bool repeat; // one or more (zero or more when optional)
    bool rest;   // everything from here on, flags included, belongs to it
};

struct cli_example {
    const char *command, *doc;
};

struct cli_command {
    const char *name;        // "image ls"
    const char *usage;       // "trine image ls [flags]"
    const char *summary;     // one line, no full stop
    const char *description; // sentences; may be ""
    const char *role;        // "trine-oci": all arguments go to this program; else NULL
    const struct cli_arg *args;
    const struct cli_flag *flags; // of this command; cli_global_flags are taken too
    const struct cli_example *examples;
    unsigned short n_args, n_flags, n_examples;
    int op;             // enum api_op, or -1
    const char *method; // of the operation: "GET"; NULL without one
    const char *path;   // "/v1/projects/{project}/instances"; NULL without one
    bool waits;         // the operation takes ?wait=SECONDS
    bool hidden;        // not in help, pages and completion
};

// "image" and what it is about, for the help of a group.
struct cli_group {
    const char *name, *doc;
};

#endif
