// SPDX-License-Identifier: Apache-2.0
// kill -9 at random moments: what is in the store afterwards is a prefix of the transactions that
// were asked for, and holds every acknowledged one (store.h, invariant 1).
//
// A child opens the store and makes transaction 1, 2, 3, …, telling each number through a pipe once
// the store has acknowledged it, and closes and opens the store now and then. The parent kills it
// after 0 to 20 ms, opens the store and finds transaction n last: acknowledged <= n <=
// acknowledged + 1; everything else then follows from n.
#include "base/mem.h"
#include "cloud/store/store.h"
#include "host/file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 250
#define FRESH_EVERY 25 // rounds: then the making of the file is killed as well
#define KEYS 40
#define VALUE_MAX 3000

#define CHECK(condition) \
    do { \
        if (!(condition)) die(__LINE__, #condition); \
    } while (0)

static char dir[] = "/tmp/fault-store-kill-XXXXXX", path[64], wal[70];
static struct clock_warp warp;
static int round_now;
static uint64_t seed;

static void die(int line, const char *what) {
    fprintf(stderr, "%s:%d: round %d, seed %llu: %s does not hold; the store is in %s\n", __FILE__,
            line, round_now, (unsigned long long)seed, what, dir);
    exit(1);
}

static struct store *open_store(void) {
    struct store *store = NULL;
    struct err err = {0};
    if (store_open_sqlite(path, &warp.clock, &store, &err) < 0) {
        err_print(&err);
        die(__LINE__, "the store opens");
    }
    return store;
}

// --- what transaction n does: three keys and the counter; each key's content follows from n ---

static int key_of(int64_t n, int i) {
    return (int)((n * 7 + i * 13) % KEYS);
}

static size_t value_of(int64_t n, int key, char value[VALUE_MAX]) {
    size_t size = (size_t)((n * 131 + key * 17) % VALUE_MAX);
    memset(value, (int)('a' + (n + key) % 26), size);
    return size;
}

static bool deletes(int64_t n, int i) {
    return (n + i) % 11 == 0;
}

static void transact(struct store *store, int64_t n) {
    char names[3][16], values[3][VALUE_MAX], number[24];
    struct store_change changes[4];
    for (int i = 0; i < 3; i++) {
        int key = key_of(n, i);
        snprintf(names[i], sizeof(names[i]), "/k/%02d", key);
        changes[i] = (struct store_change){.key = names[i]};
        if (deletes(n, i)) continue;
        changes[i].value = values[i];
        changes[i].size = value_of(n, key, values[i]);
    }
    int size = snprintf(number, sizeof(number), "%lld", (long long)n);
    changes[3] = (struct store_change){.key = "/n", .value = number, .size = (size_t)size};
    struct store_compare compare = {"/n", n > 1 ? STORE_IF_REVISION : STORE_IF_ABSENT, n - 1};
    struct store_txn txn = {&compare, 1, changes, 4, n % 3 == 0};
    int64_t revision = 0;
    CHECK(store_transact(store, &txn, &revision, NULL, NULL) == 0);
    CHECK(revision == n);
}

// --- what has to be there after transaction n ---

static void check_key(struct store *store, int key, int64_t last) {
    char name[16], value[VALUE_MAX];
    snprintf(name, sizeof(name), "/k/%02d", key);
    int64_t writer = 0;
    bool deleted = false;
    for (int64_t n = last; n > 0 && n > last - KEYS && writer == 0; n--)
        for (int i = 0; i < 3; i++)
            if (key_of(n, i) == key) writer = n, deleted = deletes(n, i);
    struct store_entry entry;
    int r = store_get(store, name, &entry, NULL);
    CHECK((r == 0) == (writer > 0 && !deleted));
    if (r < 0) return;
    CHECK(entry.mod_revision == writer);
    CHECK(entry.size == value_of(writer, key, value));
    CHECK(memcmp(entry.value, value, entry.size) == 0);
}

struct history {
    int64_t revision;
};

static void check_event(const struct store_event *event, void *arg) {
    struct history *history = arg;
    CHECK(event->kind != STORE_COMPACTED);
    int64_t revision = event->entry->mod_revision;
    if (revision != history->revision) {
        CHECK(revision == history->revision + 1);
        history->revision = revision;
    }
    if (strcmp(event->entry->key, "/n") != 0) return; // the last change of each transaction
    CHECK(atoll(event->entry->value) == revision);
}

static int64_t check_content(struct store *store, int64_t acknowledged) {
    struct store_entry entry;
    int64_t n = store_get(store, "/n", &entry, NULL) == 0 ? atoll(entry.value) : 0;
    CHECK(n >= acknowledged && n <= acknowledged + 1);
    CHECK(store_revision(store) == n);
    for (int key = 0; key < KEYS; key++) check_key(store, key, n);
    struct history history = {n > 500 ? n - 500 : 0};
    struct store_watch *watch;
    CHECK(store_watch(store, "", history.revision, check_event, &history, &watch, NULL) == 0);
    store_dispatch(store);
    CHECK(history.revision == n);
    return n;
}

// In a process of its own, so that most rounds leave the log as it is for the next.
static int64_t check_store(int64_t acknowledged, bool closes) {
    int64_t *found =
        mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(found != MAP_FAILED);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct store *store = open_store();
        *found = check_content(store, acknowledged);
        if (closes) store_close(store);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    if (status != 0) exit(1);
    int64_t n = *found;
    munmap(found, sizeof(*found));
    return n;
}

// --- rounds ---

static void child(int fd, int64_t n) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct store *store = open_store();
    for (;;) {
        transact(store, ++n);
        if (file_write_all(fd, &n, sizeof(n)) < 0) _exit(1);
        if (n % 197 != 0) continue;
        store_close(store);
        store = open_store();
    }
}

static int64_t play_round(int64_t n, long delay_us) {
    int fds[2], status;
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) child(fds[1], n);
    close(fds[1]);
    usleep((useconds_t)delay_us);
    kill(pid, SIGKILL);
    int64_t told, acknowledged = n;
    while (read(fds[0], &told, sizeof(told)) == sizeof(told)) acknowledged = told;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(fds[0]);
    return check_store(acknowledged, round_now % 10 == 0);
}

int main(int argc, char **argv) {
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)clock_realtime(clock_system());
    unsigned short state[3] = {(unsigned short)seed, (unsigned short)(seed >> 16),
                               (unsigned short)(seed >> 32)};
    clock_warp_init(&warp, SEC_NS);
    if (!mkdtemp(dir)) return 99;
    snprintf(path, sizeof(path), "%s/state.db", dir);
    snprintf(wal, sizeof(wal), "%s-wal", path);
    int64_t n = 0, total = 0;
    for (round_now = 0; round_now < ROUNDS; round_now++) {
        if (round_now % FRESH_EVERY == 0) {
            unlink(path);
            unlink(wal);
            total += n;
            n = 0;
        }
        n = play_round(n, nrand48(state) % (round_now % FRESH_EVERY < 5 ? 3000 : 20000));
    }
    total += n;
    printf("%d kills, %lld transactions, none lost, none in part\n", ROUNDS, (long long)total);
    CHECK(total > ROUNDS); // the kills did not all come before the first
    dir_remove_tree(AT_FDCWD, dir, NULL);
    return 0;
}
