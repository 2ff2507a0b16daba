// SPDX-License-Identifier: Apache-2.0
// Jobs of the image role: import, build, export, sweep. Each is an operation whose progress comes from the role.
#include "cloud/image_int.h"

#include "base/log.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct job {
    struct cloud *cloud;
    struct operation *op; // NULL: nobody waits
    uint32_t seq;
    char *name;  // asked for; "" where the archive decides
    bool brings; // brings content in
};

// How many jobs bring content in: meanwhile nothing is swept (invariant 3). One daemon, one image store.
static unsigned bringing;
static bool sweep_wanted;

static void job_free(struct job *job) {
    if (job->brings) bringing--;
    free(job->name);
    free(job);
}

static void on_cancel(struct operation *op, void *arg) {
    struct job *job = arg;
    struct wire_agent_job_cancel message = {.job_seq = job->seq};
    cloud_ask_agent(job->cloud, WIRE_AGENT_JOB_CANCEL, &message, NULL, 0, NULL, NULL, NULL, NULL);
}

static void job_failed(struct job *job, const struct err *why) {
    struct err explained = *why;
    if (why->kind == ERR_CORRUPT && !*why->next) {
        err_next(&explained,
                 "check the file: it must be an OCI layout, what 'docker save' writes, or "
                 "a root file system, as tar and whole");
        why = &explained;
    }
    if (job->op)
        operation_fail(job->op, why);
    else
        LOG_WARN("an image job failed", "object=\"%s\" cause=\"%s\"", why->object, why->cause);
    struct cloud *cloud = job->cloud;
    job_free(job);
    if (sweep_wanted && !bringing) image_sweep(cloud, NULL);
}

// --- records into objects ----------------------------------------------------------------------------

static const char *hex_of(const char *id) {
    return str_starts(id, "sha256:") ? id + strlen("sha256:") : id;
}

static json_t *image_from_record(struct cloud *cloud, const json_t *record, struct object *known) {
    json_t *doc = known ? object_doc(known) : json_object();
    if (!known) {
        json_object_set_new(doc, "kind", json_string("image"));
        json_object_set_new(doc, "names", json_array());
        json_object_set_new(doc, "created_at", json_now(cloud));
    }
    static const char *const copied[] = {"id", "size_bytes", "architecture",
                                         "os", "config",     "layers"};
    for (size_t i = 0; i < array_len(copied); i++)
        json_object_set(doc, copied[i], json_object_get(record, copied[i]));
    json_t *created = json_object_get(record, "created");
    json_object_set_new(doc, "built_at", created ? json_incref(created) : json_null());
    return doc;
}

static int record_image(struct cloud *cloud, const json_t *record, const char *asked_name,
                        json_t *results, struct err *err) {
    const char *hex = hex_of(json_text(record, "id"));
    char key[STORE_KEY_MAX + 1];
    if (strlen(hex) != 64)
        return err_set(err, ERR_INTERNAL, 0, "image", "the image role gave no id");
    int rc = object_key(OBJECT_IMAGE, "", hex, key, sizeof(key), err);
    if (rc < 0) return rc;
    struct object *known = object_find(cloud->objects, OBJECT_IMAGE, "", hex);
    json_t *doc = image_from_record(cloud, record, known), *names = json_object_get(doc, "names");
    struct changes *changes = changes_new(cloud);
    char name[IMAGE_NAME_MAX + 1], shown[IMAGE_NAME_MAX + 1] = "";
    if (*asked_name && image_name_normalise(asked_name, shown, NULL) == 0)
        image_point(cloud, changes, shown, hex, names);
    const json_t *own = json_object_get(record, "names");
    for (size_t i = 0; !*asked_name && i < json_array_size(own); i++) {
        // A name that an archive claims is taken if it is one; its content is what was asked for.
        const char *claimed = json_string_value(json_array_get(own, i));
        if (!claimed || image_name_normalise(claimed, name, NULL) < 0) continue;
        if (json_array_size(names) >= IMAGE_NAMES_MAX) break;
        image_point(cloud, changes, name, hex, names);
        snprintf(shown, sizeof(shown), "%s", name);
    }
    changes_put(changes, key, json_incref(doc), known ? known->revision : CHANGES_NEW);
    changes_event(changes, "image.imported", OBJECT_IMAGE, "", *shown ? shown : hex,
                  json_text(record, "id"), NULL);
    rc = changes_commit(changes, true, err);
    struct object *now = object_find(cloud->objects, OBJECT_IMAGE, "", hex);
    if (rc == 0 && now) json_object_set_new(doc, "revision", json_integer(now->revision));
    if (rc == 0) json_array_append(results, doc);
    json_decref(doc);
    return rc;
}

static void job_result(struct job *job, const char *text) {
    json_t *result = json_loads(text, 0, NULL), *images = json_array();
    const json_t *records = json_object_get(result, "images");
    struct err err = {0};
    int rc = json_is_object(result)
                 ? 0
                 : err_set(&err, ERR_INTERNAL, 0, "image", "the image role gave no result");
    for (size_t i = 0; rc == 0 && i < json_array_size(records); i++)
        rc = record_image(job->cloud, json_array_get(records, i), job->name, images, &err);
    if (rc < 0) {
        job_failed(job, &err);
    } else {
        json_t *shown = job->brings ? json_pack("{s:O}", "images", images) : json_incref(result);
        struct cloud *cloud = job->cloud;
        if (job->op)
            operation_done(job->op, shown);
        else
            json_decref(shown);
        job_free(job);
        if (sweep_wanted && !bringing) image_sweep(cloud, NULL);
    }
    json_decref(images);
    json_decref(result);
}

static void on_job_answer(struct wire_packet *packet, const struct err *err, void *arg) {
    struct job *job = arg;
    if (err) {
        job_failed(job, err);
        return;
    }
    struct arena *arena auto_arena = arena_new(256u << 10);
    struct err why = {0};
    if (packet->id == WIRE_IMAGE_PROGRESS) {
        struct wire_image_progress p;
        if (wire_decode_image_progress(packet->payload, arena, &p, &why) == 0 && job->op)
            operation_progress(job->op, p.step, p.done, p.total);
        return;
    }
    struct wire_image_result result = {0};
    if (packet->id != WIRE_IMAGE_RESULT)
        wire_packet_failure(packet, &why);
    else
        wire_decode_image_result(packet->payload, arena, &result, &why);
    if (why.kind)
        job_failed(job, &why);
    else
        job_result(job, result.json);
}

// Takes over nothing but `job`, which it frees on failure; then the operation has been ended.
static void job_start(struct job *job, const struct wire_agent_image_job *message, int fd) {
    struct err err = {0};
    if (job->brings) bringing++;
    int rc = cloud_ask_agent(job->cloud, WIRE_AGENT_IMAGE_JOB, message, &fd, fd >= 0 ? 1 : 0,
                             on_job_answer, job, &job->seq, &err);
    if (rc < 0)
        job_failed(job, &err);
    else if (job->op)
        operation_set_cancel(job->op, on_cancel, job);
}

static struct job *job_new(struct cloud *cloud, const char *verb, const char *name, bool brings) {
    struct job *job = mem_new(struct job);
    job->cloud = cloud;
    job->name = mem_strdup(name ? name : "");
    job->brings = brings;
    if (verb) job->op = operation_begin(cloud, verb, OBJECT_IMAGE, "", job->name);
    return job;
}

// --- import ------------------------------------------------------------------------------------------

struct upload {
    struct cloud *cloud;
    char id[ID_TEXT_SIZE]; // of the operation, which may have ended before the upload
};

static void on_uploaded(struct http_request *req, const struct err *err, uint64_t bytes,
                        void *arg) {
    struct upload *up = arg;
    // Whether the upload was broken off is known to the image role too, by the end of its input: it decides.
    if (err)
        LOG_DEBUG("an upload ended early", "bytes=%llu cause=\"%s\"", (unsigned long long)bytes,
                  err->cause);
    operation_reply_id(up->cloud, req, up->id);
    free(up);
}

void image_handle_import(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct err err = {0};
    char name[IMAGE_NAME_MAX + 1] = "";
    const char *asked = http_query(req, "name"), *type = http_query(req, "type");
    int ends[2] = {-1, -1};
    int rc = asked ? image_name_normalise(asked, name, &err) : 0;
    if (rc == 0 && pipe2(ends, O_CLOEXEC) < 0)
        rc = err_os(&err, errno, "upload", "cannot make a pipe");
    if (rc < 0) {
        http_reply_error(req, &err);
        return;
    }
    struct job *job = job_new(cloud, "image.import", name, true);
    struct upload *up = mem_new(struct upload);
    up->cloud = cloud;
    snprintf(up->id, sizeof(up->id), "%s", operation_id(job->op));
    const char *names[1] = {name};
    struct wire_agent_image_job message = {.verb = "import",
                                           .type = type ? type : "auto",
                                           .names = {names, *name ? 1 : 0}};
    job_start(job, &message, ends[0]);
    close(ends[0]);
    http_upload_to(req, ends[1], on_uploaded, up);
}

// --- build -------------------------------------------------------------------------------------------

void image_handle_build(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    const json_t *body = http_body(req), *list = json_object_get(body, "packages");
    bool debian = strcmp(json_text(body, "from"), "debian") == 0;
    const char *suite = *json_text(body, "suite") ? json_text(body, "suite") : "bookworm";
    // Without a name it is known by what it is made of, and as the latest of that.
    char name[IMAGE_NAME_MAX + 1] = "", release[IMAGE_NAME_MAX + 1];
    const char *asked = json_text(body, "name");
    struct err err = {0};
    if (*asked && image_name_normalise(asked, name, &err) < 0) {
        http_reply_error(req, &err);
        return;
    }
    snprintf(release, sizeof(release), "debian:%s", suite);
    const char *const of_debian[] = {release, "debian:latest"};
    const char *const of_busybox[] = {"busybox:latest"}, *const given[] = {name};
    struct wire_strings names = {of_busybox, array_len(of_busybox)};
    if (debian) names = (struct wire_strings){of_debian, array_len(of_debian)};
    if (*name) names = (struct wire_strings){given, 1};
    const char **packages =
        arena_array(http_arena(req), json_array_size(list) + 1, sizeof(*packages));
    size_t n = 0;
    for (; packages && n < json_array_size(list); n++)
        packages[n] = json_string_value(json_array_get(list, n));
    struct job *job = job_new(cloud, "image.build", name, true);
    char id[ID_TEXT_SIZE];
    snprintf(id, sizeof(id), "%s", operation_id(job->op));
    struct wire_agent_image_job message = {.verb = debian ? "build-debian" : "build-busybox",
                                           .names = names,
                                           .suite = debian ? suite : "",
                                           .packages = {packages, n}};
    job_start(job, &message, -1);
    operation_reply_id(cloud, req, id);
}

// --- export ------------------------------------------------------------------------------------------

// A failure of the role after the first byte shows as a body that breaks off: the tar has no end marker then.
static void on_exported(struct wire_packet *packet, const struct err *err, void *arg) {
    if (err) LOG_WARN("an export failed", "cause=\"%s\"", err->cause);
}

void image_handle_export(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct object *image;
    struct err err = {0};
    int ends[2];
    int rc = image_resolve(cloud, http_path(req, "image"), &image, &err);
    if (rc == 0 && pipe2(ends, O_CLOEXEC) < 0)
        rc = err_os(&err, errno, "export", "cannot make a pipe");
    if (rc < 0) {
        http_reply_error(req, &err);
        return;
    }
    json_t *doc = object_doc(image), *list = json_object_get(doc, "names");
    VEC(const char *) names = {0};
    for (size_t i = 0; i < json_array_size(list) && i < 64; i++)
        vec_add(&names, json_string_value(json_array_get(list, i)));
    const char *type = http_query(req, "type");
    struct wire_agent_image_job message = {.verb = "export",
                                           .type = type ? type : "oci",
                                           .id = image->id,
                                           .names = {names.items, names.len}};
    rc = cloud_ask_agent(cloud, WIRE_AGENT_IMAGE_JOB, &message, &ends[1], 1, on_exported, NULL,
                         NULL, &err);
    close(ends[1]);
    vec_free(&names);
    json_decref(doc);
    if (rc < 0) {
        close(ends[0]);
        http_reply_error(req, &err);
    } else {
        http_reply_fd(req, 200, "application/x-tar", ends[0]);
    }
}

// --- sweep and prune -----------------------------------------------------------------------------------

struct keep {
    VEC(const char *) ids;
};

static bool keep_one(struct object *object, void *arg) {
    struct keep *keep = arg;
    vec_add(&keep->ids, object->id);
    return true;
}

void image_sweep(struct cloud *cloud, struct operation *op) {
    sweep_wanted = bringing > 0;
    if (sweep_wanted && !op) return; // the last job that brings content in will see to it
    struct job *job = job_new(cloud, NULL, NULL, false);
    job->op = op;
    if (bringing) {
        struct err err = {0};
        err_set(&err, ERR_STATE, 0, "images", "%u jobs are bringing images in", bringing);
        err_next(&err, "wait for them ('trine operation ls') and prune again");
        job_failed(job, &err);
        return;
    }
    struct keep keep = {0};
    object_each(cloud->objects, OBJECT_IMAGE, NULL, keep_one, &keep);
    struct wire_agent_image_job message = {.verb = "sweep", .keep = {keep.ids.items, keep.ids.len}};
    job_start(job, &message, -1);
    vec_free(&keep.ids);
}

// What one image takes at most: its names, its record with a comparison, an event and the old ones that go.
#define PRUNE_ROOM (IMAGE_NAMES_MAX + 16)

struct unused {
    struct cloud *cloud;
    bool all;
    VEC(struct object *) images;
};

static bool find_unused(struct object *object, void *arg) {
    struct unused *u = arg;
    struct image_use use;
    json_t *doc = object_doc(object);
    bool named = json_array_size(json_object_get(doc, "names")) > 0;
    if ((u->all || !named) && !image_in_use(u->cloud, object->id, &use))
        vec_add(&u->images, object);
    json_decref(doc);
    return u->images.len < 32;
}

void image_handle_prune(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct unused u = {.cloud = cloud, .all = http_query_bool(req, "all")};
    object_each(cloud->objects, OBJECT_IMAGE, NULL, find_unused, &u);
    struct changes *changes = changes_new(cloud);
    // A transaction is bounded: the next prune goes on.
    for (size_t i = 0; i < u.images.len && changes_room(changes) > PRUNE_ROOM; i++) {
        struct object *image = u.images.items[i];
        json_t *doc = object_doc(image), *names = json_object_get(doc, "names");
        for (size_t k = 0; k < json_array_size(names); k++) {
            char key[STORE_KEY_MAX + 1];
            if (object_key(OBJECT_IMAGE_NAME, "", json_string_value(json_array_get(names, k)), key,
                           sizeof(key), NULL) == 0)
                changes_delete(changes, key, CHANGES_ANY);
        }
        changes_delete(changes, image->key, image->revision);
        changes_event(changes, "image.removed", OBJECT_IMAGE, "", image->id, image->id, NULL);
        json_decref(doc);
    }
    vec_free(&u.images);
    struct err err = {0};
    if (changes_commit(changes, true, &err) < 0) {
        http_reply_error(req, &err);
        return;
    }
    struct operation *op = operation_begin(cloud, "image.prune", OBJECT_IMAGE, "", "");
    char id[ID_TEXT_SIZE];
    snprintf(id, sizeof(id), "%s", operation_id(op));
    image_sweep(cloud, op);
    operation_reply_id(cloud, req, id);
}
