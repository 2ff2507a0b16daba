// SPDX-License-Identifier: Apache-2.0
// Objects and changes: the cache follows the store, also while somebody walks through it.
#include "cloud_bed.h"

#include "cloud/event.h"
#include "cloud/image_int.h"

static void put_project(struct cloud_bed *bed, const char *name) {
    char key[128];
    snprintf(key, sizeof(key), "/projects/%s", name);
    cloud_bed_put(bed, key, json_pack("{s:s}", "id", name));
}

static int commit_put(struct cloud_bed *bed, const char *key, int64_t if_revision,
                      struct err *err) {
    struct changes *changes = changes_new(&bed->cloud);
    changes_put(changes, key, json_pack("{s:s}", "id", "x"), if_revision);
    return changes_commit(changes, false, err);
}

struct walk {
    struct cloud_bed *bed;
    unsigned seen, stop_after;
};

static bool remove_it(struct object *object, void *arg) {
    struct walk *walk = arg;
    struct changes *changes = changes_new(&walk->bed->cloud);
    changes_delete(changes, object->key, object->revision);
    assert_int_equal(changes_commit(changes, false, NULL), 0);
    return ++walk->seen != walk->stop_after;
}

static void test_walk_that_removes_sees_all(void **state) {
    struct cloud_bed *bed = *state;
    const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < array_len(names); i++) put_project(bed, names[i]);
    struct walk walk = {.bed = bed};
    object_each(bed->cloud.objects, OBJECT_PROJECT, NULL, remove_it, &walk);
    assert_int_equal(walk.seen, 6); // and the default one
    assert_int_equal(object_count(bed->cloud.objects, OBJECT_PROJECT, NULL), 0);
}

static void test_walk_that_removes_may_stop(void **state) {
    struct cloud_bed *bed = *state;
    put_project(bed, "a");
    struct walk walk = {.bed = bed, .stop_after = 1};
    object_each(bed->cloud.objects, OBJECT_PROJECT, NULL, remove_it, &walk);
    assert_int_equal(walk.seen, 1);
    assert_int_equal(object_count(bed->cloud.objects, OBJECT_PROJECT, NULL), 1);
}

static void test_refused_changes_say_why(void **state) {
    struct cloud_bed *bed = *state;
    struct err err = {0};
    put_project(bed, "a");
    assert_true(commit_put(bed, "/projects/a", CHANGES_NEW, &err) < 0);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_string_equal(err.object, "a");
    assert_true(commit_put(bed, "/projects/a", 1, &err) < 0);
    assert_int_equal(err.kind, ERR_CHANGED);
    struct object *a = object_find(bed->cloud.objects, OBJECT_PROJECT, "", "a");
    assert_int_equal(commit_put(bed, "/projects/a", a->revision, &err), 0);
}

static void test_later_change_of_a_key_counts(void **state) {
    struct cloud_bed *bed = *state;
    struct changes *changes = changes_new(&bed->cloud);
    changes_put(changes, "/projects/a", json_pack("{s:s}", "id", "first"), CHANGES_NEW);
    assert_non_null(strstr(changes_pending(changes, "/projects/a"), "first"));
    changes_put(changes, "/projects/a", json_pack("{s:s}", "id", "second"), CHANGES_ANY);
    assert_null(changes_pending(changes, "/projects/b"));
    assert_int_equal(changes_commit(changes, false, NULL), 0);
    assert_string_equal(object_find(bed->cloud.objects, OBJECT_PROJECT, "", "a")->id, "second");
    // The first one's condition holds for both.
    changes = changes_new(&bed->cloud);
    changes_put(changes, "/projects/a", json_object(), CHANGES_NEW);
    changes_delete(changes, "/projects/a", CHANGES_ANY);
    assert_true(changes_commit(changes, false, NULL) < 0);
}

static void test_id_by_its_beginning(void **state) {
    struct cloud_bed *bed = *state;
    struct object *found;
    struct err err = {0};
    cloud_bed_put(bed, "/projects/a", json_pack("{s:s}", "id", "abcdef1"));
    cloud_bed_put(bed, "/projects/b", json_pack("{s:s}", "id", "abcdef2"));
    assert_int_equal(object_resolve(bed->cloud.objects, OBJECT_PROJECT, NULL, "abcdef1", &found,
                                    &err),
                     0);
    assert_string_equal(found->name, "a");
    assert_true(object_resolve(bed->cloud.objects, OBJECT_PROJECT, NULL, "abcd", &found, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_true(object_resolve(bed->cloud.objects, OBJECT_PROJECT, NULL, "abc", &found, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void test_damaged_object_is_left_out(void **state) {
    struct cloud_bed *bed = *state;
    struct changes *changes = changes_new(&bed->cloud);
    changes_put_text(changes, "/projects/bad", "[\"no object\"", CHANGES_NEW);
    assert_int_equal(changes_commit(changes, false, NULL), 0);
    assert_null(object_find(bed->cloud.objects, OBJECT_PROJECT, "", "bad"));
    cloud_bed_reopen(bed);
    assert_null(object_find(bed->cloud.objects, OBJECT_PROJECT, "", "bad"));
    assert_int_equal(object_count(bed->cloud.objects, OBJECT_PROJECT, NULL), 1);
}

// --- names of images: several in one transaction --------------------------------------------------------

#define OLD "1111111111111111111111111111111111111111111111111111111111111111"
#define NEW "2222222222222222222222222222222222222222222222222222222222222222"

static void test_names_leave_an_image_together(void **state) {
    struct cloud_bed *bed = *state;
    cloud_bed_put(bed, "/images/" OLD,
                  json_pack("{s:s, s:[s, s, s]}", "id", "sha256:" OLD, "names", "web:1", "web:2",
                            "web:3"));
    for (int i = 1; i <= 3; i++) {
        char key[64];
        snprintf(key, sizeof(key), "/image-names/web:%d", i);
        cloud_bed_put(bed, key, json_pack("{s:s}", "image", OLD));
    }
    struct changes *changes = changes_new(&bed->cloud);
    json_t *names = json_array();
    image_point(&bed->cloud, changes, "web:1", NEW, names);
    image_point(&bed->cloud, changes, "web:2", NEW, names);
    image_point(&bed->cloud, changes, "web:2", NEW, names); // said twice
    changes_put(changes, "/images/" NEW,
                json_pack("{s:s, s:o}", "id", "sha256:" NEW, "names", names), CHANGES_NEW);
    assert_int_equal(changes_commit(changes, false, NULL), 0);
    struct object *image;
    assert_int_equal(image_resolve(&bed->cloud, "web:2", &image, NULL), 0);
    assert_string_equal(image->name, NEW);
    image = object_find(bed->cloud.objects, OBJECT_IMAGE, "", OLD);
    json_t *doc = object_doc(image);
    assert_int_equal(json_array_size(json_object_get(doc, "names")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(doc, "names"), 0)),
                        "web:3");
    json_decref(doc);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, cloud_bed_setup, cloud_bed_teardown)
    const struct CMUnitTest tests[] = {
        CASE(walk_that_removes_sees_all),    CASE(walk_that_removes_may_stop),
        CASE(refused_changes_say_why),       CASE(later_change_of_a_key_counts),
        CASE(id_by_its_beginning),           CASE(damaged_object_is_left_out),
        CASE(names_leave_an_image_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
