// SPDX-License-Identifier: Apache-2.0
#include "execution/container/supervisor_ring.h"
#include "supervisor_test.h"

static size_t read_all(const struct supervisor_ring *ring, char *out) {
    struct span pieces[2];
    supervisor_ring_read(ring, pieces);
    memcpy(out, pieces[0].data, pieces[0].size);
    memcpy(out + pieces[0].size, pieces[1].data, pieces[1].size);
    return pieces[0].size + pieces[1].size;
}

static void it_gives_back_what_little_it_holds(void **state) {
    struct supervisor_ring *ring = supervisor_ring_new();
    char *out = malloc(SUPERVISOR_RING_SIZE);
    assert_int_equal(read_all(ring, out), 0);
    supervisor_ring_add(ring, "hello ", 6);
    supervisor_ring_add(ring, "", 0);
    supervisor_ring_add(ring, "world", 5);
    assert_int_equal(read_all(ring, out), 11);
    assert_memory_equal(out, "hello world", 11);
    free(out);
    supervisor_ring_free(ring);
}

// Every sum of chunk sizes is compared with the tail of one long text.
static void it_keeps_the_last_bytes_whatever_the_chunks(void **state) {
    enum { TOTAL = 5 * SUPERVISOR_RING_SIZE / 2 };
    static const size_t chunks[] = {
        1, 777, 4096, 32767, SUPERVISOR_RING_SIZE, SUPERVISOR_RING_SIZE + 1, TOTAL};
    uint8_t *text = malloc(TOTAL);
    char *out = malloc(SUPERVISOR_RING_SIZE);
    for (size_t i = 0; i < TOTAL; i++) text[i] = (uint8_t)(i * 31 + i / 251);
    for (size_t c = 0; c < sizeof(chunks) / sizeof(chunks[0]); c++) {
        struct supervisor_ring *ring = supervisor_ring_new();
        for (size_t at = 0; at < TOTAL;) {
            size_t n = chunks[c] < TOTAL - at ? chunks[c] : TOTAL - at;
            supervisor_ring_add(ring, text + at, n);
            at += n;
        }
        assert_int_equal(read_all(ring, out), SUPERVISOR_RING_SIZE);
        assert_memory_equal(out, text + TOTAL - SUPERVISOR_RING_SIZE, SUPERVISOR_RING_SIZE);
        supervisor_ring_free(ring);
    }
    free(out);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_back_what_little_it_holds),
        cmocka_unit_test(it_keeps_the_last_bytes_whatever_the_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
