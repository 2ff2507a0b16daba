// SPDX-License-Identifier: Apache-2.0
// The person's end of a program's standard streams (attach, exec, run): frames of wire/stream.h in
// WebSocket messages, joined to this process's standard input, output and error.
#ifndef TRINE_CLI_STREAM_H
#define TRINE_CLI_STREAM_H

#include "cli/socket.h"
#include "cli/terminal.h"

#include <signal.h>

enum stream_end {
    STREAM_ENDED,    // the program ended: exit code and text are set
    STREAM_DETACHED, // the detach keys were typed
    STREAM_LOST,     // the connection broke off
};

struct stream {
    struct socket *socket;
    bool input;    // send standard input
    bool terminal; // raw mode, and the window's size goes along
    struct detach_keys keys;
    int signal_fd; // of stream_watch_signals; -1: none
    // A signal for the program came; NULL: signals are not forwarded.
    void (*on_signal)(int signo, void *arg);
    void *arg;
    // Results.
    int exit_code;
    char text[256]; // why the program could not run; "" otherwise
    // Private.
    bool input_open;
    int insisted; // INT and TERM that came
};

// Blocks signals, from here to the end of the process, and gives a descriptor for them: with
// `forward` INT TERM HUP QUIT USR1 USR2, with `terminal` WINCH.
int stream_watch_signals(bool forward, bool terminal, int *ret_fd, struct err *err);

// Before the program can run: its terminal has its size, and this one is in raw mode, so that what
// is typed early is not taken for something else. terminal_restore is for whoever does not go on.
int stream_prepare(struct stream *stream, struct err *err);

// Until the end; the terminal is as it was then. Returns enum stream_end, or a negative errno with err set.
int stream_run(struct stream *stream, struct err *err);

#endif
