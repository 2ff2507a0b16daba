// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// What a signal handler has to know to put things right: the only global state of the command line.
static struct termios saved;
static volatile sig_atomic_t is_raw;

void terminal_restore(void) {
    if (!is_raw) return;
    is_raw = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
}

static void on_signal(int signo) {
    terminal_restore();
    signal(signo, SIG_DFL);
    raise(signo);
}

int terminal_raw(struct err *err) {
    if (is_raw) return 0;
    if (tcgetattr(STDIN_FILENO, &saved) < 0)
        return err_os(err, errno, "flag --tty", "standard input is not a terminal");
    static bool registered;
    if (!registered) atexit(terminal_restore);
    registered = true;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) signal(signals[i], on_signal);
    struct termios raw = saved;
    cfmakeraw(&raw);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
        return err_os(err, errno, "terminal", "cannot put it into raw mode");
    is_raw = 1;
    return 0;
}

bool terminal_size(uint16_t *ret_rows, uint16_t *ret_columns) {
    struct winsize size;
    *ret_rows = *ret_columns = 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
        return false;
    *ret_rows = size.ws_row;
    *ret_columns = size.ws_col;
    return size.ws_row > 0 && size.ws_col > 0;
}

static int parse_key(const char *word, size_t n, uint8_t *ret) {
    if (n == 1 && (unsigned char)*word > ' ') {
        *ret = (uint8_t)*word;
        return 0;
    }
    if (n != 6 || strncmp(word, "ctrl-", 5) != 0) return -EINVAL;
    char c = word[5];
    if (c >= 'a' && c <= 'z')
        *ret = (uint8_t)(c - 'a' + 1);
    else if (c >= '@' && c <= '_')
        *ret = (uint8_t)(c - '@');
    else
        return -EINVAL;
    return 0;
}

int detach_keys_parse(const char *text, struct detach_keys *ret, struct err *err) {
    *ret = (struct detach_keys){0};
    if (!text) text = "ctrl-p,ctrl-q";
    if (strcmp(text, "none") == 0) return 0;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        if (ret->count == sizeof(ret->keys) || parse_key(at, n, &ret->keys[ret->count++]) < 0) {
            err_set(err, ERR_INVALID, 0, "flag --detach-keys", "\"%.60s\" is not a list of keys",
                    text);
            return err_next(err, "write it as ctrl-p,ctrl-q or ctrl-a,d, at most 8 keys; or none");
        }
        at += n;
        if (!*at) return 0;
    }
}

// The longest proper prefix of the matched keys that is also their end: what is still matched when
// the next key is another one.
static uint8_t border(const struct detach_keys *keys) {
    uint8_t k = (uint8_t)(keys->matched - 1);
    while (k > 0 && memcmp(keys->keys, keys->keys + keys->matched - k, k) != 0) k--;
    return k;
}

bool detach_keys_filter(struct detach_keys *keys, const uint8_t *data, size_t size, uint8_t *out,
                        size_t *ret_size) {
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        while (keys->matched && keys->keys[keys->matched] != data[i]) {
            uint8_t k = border(keys), released = (uint8_t)(keys->matched - k);
            memcpy(out + n, keys->keys, released);
            n += released;
            keys->matched = k;
        }
        if (keys->count == 0 || keys->keys[keys->matched] != data[i]) {
            out[n++] = data[i];
        } else if (++keys->matched == keys->count) {
            keys->matched = 0;
            *ret_size = n;
            return true;
        }
    }
    *ret_size = n;
    return false;
}
