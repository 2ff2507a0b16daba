// SPDX-License-Identifier: Apache-2.0
// Objects of the API: the daemon's view of the store, and the way to change it.
//
// Every object is one JSON document under one key. `objects` holds the current text of all of them, kept up to date by
// a watch on the store alone, so that reads never touch the database and a second writer (another node) is seen too.
//
//   /projects/<project>             /instances/<project>/<name>      /volumes/<project>/<name>
//   /images/<hex of the id>         /image-names/<name:tag>          /operations/<id>       /events/<20 digits>
//
// Events are not cached. Documents are valid JSON objects that we wrote; a damaged one is skipped with a warning.
#ifndef TRINE_CLOUD_OBJECT_H
#define TRINE_CLOUD_OBJECT_H

#include "cloud/cloud.h"

#include <jansson.h>

enum object_kind {
    OBJECT_PROJECT,
    OBJECT_INSTANCE,
    OBJECT_VOLUME,
    OBJECT_IMAGE,
    OBJECT_IMAGE_NAME,
    OBJECT_OPERATION,
    OBJECT_KIND_COUNT,
};

struct object {
    enum object_kind kind;
    char *key;
    const char *project, *name; // inside key's copy; project is "" where the kind has none
    char *text;                 // compact JSON object
    size_t size;
    int64_t revision;
    char id[72];   // member "id"; "" when there is none
    void *runtime; // of the kind (struct instance)
    char *parts;   // memory of project and name
};

// Called after the cache changed: `object` is the new state; removed: it is the last state, freed after the call.
typedef void object_hook_fn(struct cloud *cloud, struct object *object, bool removed);

int objects_open(struct cloud *cloud, struct err *err); // reads all and begins to watch
void objects_free(struct objects *objects);
void objects_set_hook(struct objects *objects, enum object_kind kind, object_hook_fn *hook);

const char *object_kind_word(enum object_kind kind); // "instance"
// Key of an object; project is ignored where the kind has none. Fails for names that are not names.
int object_key(enum object_kind kind, const char *project, const char *name, char *buf, size_t size,
               struct err *err);

struct object *object_find(struct objects *objects, enum object_kind kind, const char *project,
                           const char *name);
// By name, whole id, or unique beginning (>= 4) of an id. project NULL: any. ERR_NOT_FOUND says what there is to do.
int object_resolve(struct objects *objects, enum object_kind kind, const char *project,
                   const char *word, struct object **ret, struct err *err);
// In key order. fn returns false to stop. project NULL or "": all.
typedef bool object_each_fn(struct object *object, void *arg);
void object_each(struct objects *objects, enum object_kind kind, const char *project,
                 object_each_fn *fn, void *arg);
size_t object_count(struct objects *objects, enum object_kind kind, const char *project);

json_t *object_doc(const struct object *object); // new reference, never NULL
// The document as the API shows it, with "revision" in front. Appends to s.
struct str;
void object_render(const struct object *object, struct str *s);
#define ETAG_SIZE 32
const char *object_etag(const struct object *object, char buf[ETAG_SIZE]);

// A set of changes that is made as one transaction, with the events that tell about it.
struct changes;
struct changes *changes_new(struct cloud *cloud);
#define CHANGES_ANY (-1)
#define CHANGES_NEW 0
// Write doc (a reference is stolen) under key if its revision still is if_revision (CHANGES_ANY: whatever it is,
// CHANGES_NEW: only if absent).
void changes_put(struct changes *changes, const char *key, json_t *doc, int64_t if_revision);
void changes_put_text(struct changes *changes, const char *key, const char *text,
                      int64_t if_revision);
void changes_delete(struct changes *changes, const char *key, int64_t if_revision);
// What would be written under key so far; NULL: nothing. Borrowed until the next change.
const char *changes_pending(struct changes *changes, const char *key);
size_t changes_room(const struct changes *changes); // how many more fit into one transaction
// An event in the same transaction. detail is stolen, may be NULL.
void changes_event(struct changes *changes, const char *type, enum object_kind kind,
                   const char *project, const char *name, const char *id, json_t *detail);
// Frees `changes` in any case. ERR_CHANGED, or ERR_EXISTS when a CHANGES_NEW key is there.
int changes_commit(struct changes *changes, bool durable, struct err *err);

// Current time as the documents write it.
json_t *json_now(struct cloud *cloud);
json_t *json_time(int64_t realtime_ns);                       // null for 0
const char *json_text(const json_t *object, const char *key); // "" when absent or no string

#endif
