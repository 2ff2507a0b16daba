// SPDX-License-Identifier: Apache-2.0
// The terminal of the person: raw mode that always comes back, and its size.
#ifndef TRINE_CLI_TERMINAL_H
#define TRINE_CLI_TERMINAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Puts standard input into raw mode. It is restored by terminal_restore, at exit, and when the
// process is ended by INT, TERM, HUP or QUIT.
int terminal_raw(struct err *err);
void terminal_restore(void);

// Of standard output, else of standard input; 0 and false when neither is a terminal.
bool terminal_size(uint16_t *ret_rows, uint16_t *ret_columns);

// Detach keys in the usual notation, "ctrl-p,ctrl-q" or "ctrl-a,d": at most 8 of them. NULL: those
// two. "none": there are none.
#define DETACH_KEYS_MAX 8
struct detach_keys {
    uint8_t keys[DETACH_KEYS_MAX];
    uint8_t count, matched;
};
int detach_keys_parse(const char *text, struct detach_keys *ret, struct err *err);

// Looks for the keys in what was typed. out (room for size + DETACH_KEYS_MAX bytes) and *ret_size
// are what is to be sent: bytes that may begin the keys are held back, and come out in front when
// they did not. true: the keys are complete; what came behind them is dropped.
bool detach_keys_filter(struct detach_keys *keys, const uint8_t *data, size_t size, uint8_t *out,
                        size_t *ret_size);

#endif
