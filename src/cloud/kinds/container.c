// SPDX-License-Identifier: Apache-2.0
// Level `container`: the agent makes the bundle and starts a shim; afterwards the daemon talks to the shim itself.
//
// A `link` is what the daemon holds of one workload: the control connection and the questions that are open. Release
// ends both: questions that a client asked through the shim are answered with an error, those that the instance's own
// steps asked are forgotten. Nothing is reported then: that we go away says nothing about the workload.
#include "cloud/kind.h"

#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "cloud/bridge.h"
#include "cloud/instance.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct link {
    struct instance *inst;
    struct wire_channel *shim;
    struct list asks;
};

struct ask {
    struct list link_node;
    struct link *link;
    bool of_shim;
    uint32_t seq;
    void (*done)(struct link *link, struct wire_packet *packet, const struct err *err,
                 struct ask *ask);
    kind_answer_fn *fn;
    void *arg;
    struct attach *attach;
    bool flag;
    bool step; // asked for the instance itself: forgotten when the link is released
};

static struct link *link_of(struct instance *inst) {
    if (!inst->link) {
        struct link *link = mem_new(struct link);
        link->inst = inst;
        list_init(&link->asks);
        inst->link = link;
    }
    return inst->link;
}

static void ask_done(struct wire_packet *packet, const struct err *err, void *arg) {
    struct ask *ask = arg;
    struct err named;
    list_remove(&ask->link_node);
    // A shim does not know what people call its instance.
    if (err && strcmp(err->object, "instance") == 0) {
        named = *err;
        snprintf(named.object, sizeof(named.object), "%s", ask->link->inst->name);
        err = &named;
    }
    ask->done(ask->link, packet, err, ask);
    free(ask);
}

static void put_question(struct link *link, struct ask question, enum wire_id id,
                         const void *message) {
    struct ask *ask = mem_new(struct ask);
    *ask = question;
    ask->link = link;
    list_add_tail(&link->asks, &ask->link_node);
    struct err err = {0};
    int rc = 0;
    if (!ask->of_shim)
        rc = cloud_ask_agent(link->inst->cloud, id, message, NULL, 0, ask_done, ask, &ask->seq,
                             &err);
    else if (link->shim)
        rc = wire_channel_call(link->shim, id, message, NULL, 0, ask_done, ask, &ask->seq, &err);
    else
        rc = err_set(&err, ERR_STATE, 0, link->inst->name, "the instance does not run");
    if (rc < 0) ask_done(NULL, &err, ask);
}

// Questions to the shim end with its connection.
static void drop_shim(struct link *link) {
    if (!link->shim) return;
    wire_channel_free(take(link->shim));
    struct err gone = {0};
    err_set(&gone, ERR_UNAVAILABLE, 0, link->inst->name, "the instance has ended");
    struct ask *ask;
    list_each (&link->asks, ask, struct ask, link_node) {
        if (ask->of_shim) ask_done(NULL, &gone, ask);
    }
}

// What the instance itself asked, so that no answer reports anything any more.
static void forget_steps(struct link *link, bool of_agent_too) {
    struct ask *ask;
    list_each (&link->asks, ask, struct ask, link_node) {
        if (ask->of_shim ? !ask->step : !of_agent_too) continue;
        struct wire_channel *asked = ask->of_shim ? link->shim : link->inst->cloud->agent;
        if (asked) wire_channel_forget(asked, ask->seq);
        list_remove(&ask->link_node);
        free(ask);
    }
}

static void container_release(struct instance *inst) {
    struct link *link = inst->link;
    if (!link) return;
    inst->link = NULL;
    forget_steps(link, true);
    drop_shim(link);
    free(link);
}

// --- how it ended ----------------------------------------------------------------------------------

static void on_exit_record(struct link *link, struct wire_packet *packet, const struct err *err,
                           struct ask *ask) {
    struct wire_agent_exit record = {0};
    struct arena *arena auto_arena = arena_new(8192);
    struct err why = {0};
    if (err && err->kind == ERR_UNAVAILABLE) return; // the agent has gone: the next one will tell
    if (packet) wire_decode_agent_exit(packet->payload, arena, &record, &why);
    struct instance_exit ended = {.exit_code = record.exit_code,
                                  .oom_killed = record.oom_killed,
                                  .started_ns = record.started_ns,
                                  .finished_ns = record.finished_ns,
                                  .reason = record.failure};
    if (!packet || !record.known) {
        ended.exit_code = 128 + SIGKILL;
        ended.reason = ask->flag ? "the host was restarted or its supervisor was killed"
                                 : "its supervisor was killed";
    }
    drop_shim(link);
    instance_report_exit(link->inst, &ended);
}

static void ask_exit_record(struct link *link, bool absent) {
    struct wire_agent_instance_exit message = {.id = link->inst->id};
    put_question(link, (struct ask){.done = on_exit_record, .flag = absent},
                 WIRE_AGENT_INSTANCE_EXIT, &message);
}

static void report_state(struct link *link, const struct wire_shim_state *s) {
    struct instance *inst = link->inst;
    if (strcmp(s->state, "exited") == 0) {
        struct instance_exit ended = {.exit_code = s->exit_code,
                                      .oom_killed = s->oom_killed,
                                      .started_ns = s->started_ns,
                                      .finished_ns = s->finished_ns,
                                      .reason = s->failure};
        forget_steps(link, false); // the end says more than their failure would
        drop_shim(link);
        if (inst->state == INSTANCE_STARTING && s->started_ns)
            instance_report_running(inst, 0, s->started_ns);
        instance_report_exit(inst, &ended);
    } else if (strcmp(s->state, "paused") == 0) {
        if (inst->state != INSTANCE_PAUSED) instance_report_paused(inst, true);
    } else if (strcmp(s->state, "running") == 0) {
        if (inst->state == INSTANCE_PAUSED && !inst->busy) instance_report_paused(inst, false);
    }
}

static bool decode_state(struct wire_packet *packet, struct arena *arena,
                         struct wire_shim_state *ret) {
    struct err err = {0};
    if (wire_decode_shim_state(packet->payload, arena, ret, &err) == 0) return true;
    LOG_WARN("a shim sent a damaged message", "cause=\"%s\"", err.cause);
    return false;
}

static void on_shim_packet(struct wire_channel *channel, struct wire_packet *packet, void *arg) {
    struct arena *arena auto_arena = arena_new(8192);
    struct wire_shim_state s;
    if (packet->id == WIRE_SHIM_STATE && decode_state(packet, arena, &s)) report_state(arg, &s);
}

static void on_shim_closed(struct wire_channel *channel, void *arg) {
    struct link *link = arg;
    drop_shim(link);
    if (instance_is_live(link->inst)) ask_exit_record(link, false);
}

static int open_shim(struct link *link, struct wire_packet *packet, struct err *err) {
    int fd = wire_packet_take_fd(packet, 0);
    if (fd < 0)
        return err_set(err, ERR_INTERNAL, 0, link->inst->name, "the agent passed no connection");
    int rc = wire_channel_new(link->inst->cloud->loop, fd, on_shim_packet, on_shim_closed, link,
                              &link->shim, err);
    return rc;
}

// --- start -----------------------------------------------------------------------------------------

static void on_attached(struct link *link, struct wire_packet *packet, const struct err *err,
                        struct ask *ask) {
    int fd = packet ? wire_packet_take_fd(packet, 0) : -1;
    struct err why = {0};
    if (!err && fd < 0) {
        err_set(&why, ERR_INTERNAL, 0, "stream", "the shim passed no stream");
        err = &why;
    }
    if (err)
        attach_fail(ask->attach, err);
    else
        attach_connect(ask->attach, fd);
}

static void container_attach(struct instance *inst, struct attach *attach) {
    struct wire_shim_attach message = {.input = attach->input,
                                       .output = attach->output,
                                       .replay = attach->replay};
    attach_asked(attach);
    put_question(link_of(inst),
                 (struct ask){.of_shim = true, .done = on_attached, .attach = attach},
                 WIRE_SHIM_ATTACH, &message);
}

static void on_started(struct link *link, struct wire_packet *packet, const struct err *err,
                       struct ask *ask) {
    struct arena *arena auto_arena = arena_new(8192);
    struct wire_shim_state s;
    if (err) {
        instance_report_start_failed(link->inst, err);
        return;
    }
    if (!decode_state(packet, arena, &s)) return; // the connection's end will tell
    instance_report_running(link->inst, (int)s.pid, s.started_ns);
    if (strcmp(s.state, "exited") == 0) report_state(link, &s);
}

static void on_made(struct link *link, struct wire_packet *packet, const struct err *err,
                    struct ask *ask) {
    struct err why = {0};
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_agent_instance_made made = {0};
    if (packet && (wire_decode_agent_instance_made(packet->payload, arena, &made, &why) < 0 ||
                   open_shim(link, packet, &why) < 0))
        err = &why;
    if (err) {
        instance_report_start_failed(link->inst, err);
        return;
    }
    json_decref(link->inst->warnings);
    link->inst->warnings = json_array();
    for (size_t i = 0; i < made.warnings.count; i++)
        json_array_append_new(link->inst->warnings, json_string(made.warnings.items[i]));
    // The shim works in order: who waits is connected before the first byte can be written.
    for (struct attach *a; (a = instance_take_attach(link->inst));) container_attach(link->inst, a);
    struct wire_shim_start start = {0};
    put_question(link, (struct ask){.of_shim = true, .step = true, .done = on_started},
                 WIRE_SHIM_START, &start);
}

static struct wire_strings strings_of(struct arena *arena, const json_t *array) {
    size_t n = json_array_size(array), kept = 0;
    const char **items = n ? arena_array(arena, n, sizeof(*items)) : NULL;
    for (size_t i = 0; items && i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text) items[kept++] = text;
    }
    return (struct wire_strings){items, kept};
}

static struct wire_strings mounts_of(struct cloud *cloud, struct arena *arena, const char *project,
                                     const json_t *mounts, struct err *err) {
    size_t n = json_array_size(mounts);
    const char **items = n ? arena_array(arena, n * 4, sizeof(*items)) : NULL;
    if (!items) return (struct wire_strings){0};
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(mounts, i);
        const char *source = json_text(m, "source");
        if (strcmp(json_text(m, "type"), "volume") == 0) {
            struct object *volume;
            if (object_resolve(cloud->objects, OBJECT_VOLUME, project, source, &volume, err) < 0)
                return (struct wire_strings){0};
            source = volume->id;
        }
        struct str options = {0};
        const json_t *list = json_object_get(m, "options");
        for (size_t k = 0; k < json_array_size(list); k++)
            str_printf(&options, "%s%s", k ? "," : "", json_string_value(json_array_get(list, k)));
        items[4 * i] = json_text(m, "type");
        items[4 * i + 1] = source;
        items[4 * i + 2] = json_text(m, "destination");
        items[4 * i + 3] = arena_strdup(arena, str_text(&options));
        str_free(&options);
    }
    return (struct wire_strings){items, n * 4};
}

// The layers come from the image's record: an image that an instance names cannot be removed.
static int layers_of(struct cloud *cloud, struct arena *arena, const char *image_id,
                     struct wire_strings *ret, json_t **ret_image, struct err *err) {
    struct object *image;
    int rc = object_resolve(cloud->objects, OBJECT_IMAGE, NULL, image_id, &image, err);
    if (rc < 0) return rc;
    *ret_image = object_doc(image);
    const json_t *layers = json_object_get(*ret_image, "layers");
    const char **items = arena_array(arena, json_array_size(layers) + 1, sizeof(*items));
    if (!items) return err_set(err, ERR_NO_SPACE, ENOMEM, "image", "cannot read its layers");
    for (size_t i = 0; i < json_array_size(layers); i++)
        items[i] = json_text(json_array_get(layers, i), "dir");
    *ret = (struct wire_strings){items, json_array_size(layers)};
    return 0;
}

static uint64_t limit_of(const json_t *limits, const char *name) {
    json_int_t v = json_integer_value(json_object_get(limits, name));
    return v > 0 ? (uint64_t)v : 0;
}

static void container_start(struct instance *inst) {
    struct link *link = link_of(inst);
    struct arena *arena auto_arena = arena_new(1u << 20);
    struct err err = {0};
    json_t *doc = object_doc(inst->object), *image = NULL;
    const json_t *limits = json_object_get(doc, "limits"), *log = json_object_get(doc, "log");
    struct wire_agent_instance_create m = {
        .id = inst->id,
        .name = inst->name,
        .project = inst->project,
        .args = strings_of(arena, json_object_get(doc, "args")),
        .env = strings_of(arena, json_object_get(doc, "env")),
        .working_dir = json_text(doc, "working_dir"),
        .user = json_text(doc, "user"),
        .hostname = json_text(doc, "hostname"),
        .terminal = inst->terminal,
        .stdin_open = json_is_true(json_object_get(doc, "stdin_open")),
        .read_only = json_is_true(json_object_get(doc, "read_only")),
        .privileged = json_is_true(json_object_get(doc, "privileged")),
        .cap_add = strings_of(arena, json_object_get(doc, "cap_add")),
        .cap_drop = strings_of(arena, json_object_get(doc, "cap_drop")),
        .network = json_text(doc, "network"),
        .memory_max_bytes = limit_of(limits, "memory_bytes"),
        .memory_swap_max_bytes = limit_of(limits, "memory_swap_bytes"),
        .cpu_nano = (uint64_t)llround(json_number_value(json_object_get(limits, "cpus")) * 1e9),
        .cpu_shares = limit_of(limits, "cpu_shares"),
        .pids_max = limit_of(limits, "pids"),
        .cpuset_cpus = json_text(limits, "cpuset"),
        .log_max_bytes = limit_of(log, "max_bytes"),
        .log_files = (uint32_t)limit_of(log, "files")};
    if (m.log_files > 0)
        m.log_files--; // the API counts the current one, the supervisor those put aside
    m.mounts = mounts_of(inst->cloud, arena, inst->project, json_object_get(doc, "mounts"), &err);
    if (!err.kind)
        layers_of(inst->cloud, arena, json_text(doc, "image_id"), &m.layers, &image, &err);
    if (err.kind)
        instance_report_start_failed(inst, &err);
    else
        put_question(link, (struct ask){.done = on_made}, WIRE_AGENT_INSTANCE_CREATE, &m);
    json_decref(image);
    json_decref(doc);
}

// --- recover ---------------------------------------------------------------------------------------

static void on_queried(struct link *link, struct wire_packet *packet, const struct err *err,
                       struct ask *ask) {
    struct arena *arena auto_arena = arena_new(8192);
    struct wire_shim_state s;
    if (err || !decode_state(packet, arena, &s)) return; // the connection's end asks for the record
    if (strcmp(s.state, "created") == 0)
        instance_report_gate(link->inst);
    else if (strcmp(s.state, "running") == 0)
        instance_report_running(link->inst, (int)s.pid, s.started_ns);
    else if (strcmp(s.state, "paused") == 0)
        instance_report_paused(link->inst, true);
    else
        report_state(link, &s);
}

static void on_connected(struct link *link, struct wire_packet *packet, const struct err *err,
                         struct ask *ask) {
    struct err why = {0};
    if (err || open_shim(link, packet, &why) < 0) {
        ask_exit_record(link, false);
        return;
    }
    struct wire_shim_query query = {0};
    put_question(link, (struct ask){.of_shim = true, .step = true, .done = on_queried},
                 WIRE_SHIM_QUERY, &query);
}

static void container_recover(struct instance *inst, enum kind_found found) {
    struct link *link = link_of(inst);
    if (found == KIND_FOUND_ALIVE) {
        struct wire_agent_instance_connect connect = {.id = inst->id};
        put_question(link, (struct ask){.done = on_connected}, WIRE_AGENT_INSTANCE_CONNECT,
                     &connect);
    } else if (found == KIND_FOUND_ABSENT && inst->state == INSTANCE_STARTING) {
        instance_report_gate(inst);
    } else {
        ask_exit_record(link, found == KIND_FOUND_ABSENT);
    }
}

// --- the rest --------------------------------------------------------------------------------------

static void on_plain(struct link *link, struct wire_packet *packet, const struct err *err,
                     struct ask *ask) {
    if (ask->fn) ask->fn(NULL, err, ask->arg);
}

static void container_signal(struct instance *inst, int signo, bool all, kind_answer_fn *fn,
                             void *arg) {
    struct wire_shim_signal message = {.signo = (uint32_t)signo, .all = all};
    put_question(link_of(inst),
                 (struct ask){.of_shim = true, .done = on_plain, .fn = fn, .arg = arg},
                 WIRE_SHIM_SIGNAL, &message);
}

static void on_pause(struct link *link, struct wire_packet *packet, const struct err *err,
                     struct ask *ask) {
    if (err)
        ask->fn(NULL, err, ask->arg);
    else
        instance_report_paused(link->inst, ask->flag);
}

static void container_pause(struct instance *inst, bool paused, kind_answer_fn *fn, void *arg) {
    struct wire_shim_pause message = {.paused = paused};
    put_question(link_of(inst),
                 (struct ask){.of_shim = true,
                              .step = true,
                              .done = on_pause,
                              .fn = fn,
                              .arg = arg,
                              .flag = paused},
                 WIRE_SHIM_PAUSE, &message);
}

static void container_exec(struct instance *inst, struct attach *attach) {
    attach_asked(attach);
    put_question(link_of(inst),
                 (struct ask){.of_shim = true, .done = on_attached, .attach = attach},
                 WIRE_SHIM_EXEC, attach->exec);
}

static void on_stats(struct link *link, struct wire_packet *packet, const struct err *err,
                     struct ask *ask) {
    struct wire_shim_figures f;
    struct err why = {0};
    if (packet && wire_decode_shim_figures(packet->payload, NULL, &f, &why) < 0) err = &why;
    if (err) {
        ask->fn(NULL, err, ask->arg);
        return;
    }
    json_t *out = json_object();
#define FIGURE(name) json_object_set_new(out, #name, json_integer((json_int_t)f.name))
#define LIMIT(name) /* null: none */ \
    json_object_set_new(out, #name, \
                        f.name &&f.name != UINT64_MAX ? json_integer((json_int_t)f.name) \
                                                      : json_null())
    FIGURE(cpu_usage_ns), FIGURE(cpu_user_ns), FIGURE(cpu_system_ns), FIGURE(cpu_throttled_ns);
    FIGURE(memory_bytes), LIMIT(memory_max_bytes), FIGURE(memory_peak_bytes),
        FIGURE(memory_cache_bytes);
    FIGURE(oom_kills), FIGURE(pids), LIMIT(pids_max), FIGURE(io_read_bytes), FIGURE(io_write_bytes);
#undef LIMIT
#undef FIGURE
    ask->fn(out, NULL, ask->arg);
    json_decref(out);
}

static void container_stats(struct instance *inst, kind_answer_fn *fn, void *arg) {
    struct wire_shim_stats message = {0};
    put_question(link_of(inst),
                 (struct ask){.of_shim = true, .done = on_stats, .fn = fn, .arg = arg},
                 WIRE_SHIM_STATS, &message);
}

static void on_top(struct link *link, struct wire_packet *packet, const struct err *err,
                   struct ask *ask) {
    struct arena *arena auto_arena = arena_new(1u << 20);
    struct wire_shim_processes m = {0};
    struct err why = {0};
    if (packet && wire_decode_shim_processes(packet->payload, arena, &m, &why) < 0) err = &why;
    if (err) {
        ask->fn(NULL, err, ask->arg);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < m.figures.count && i < m.commands.count; i++) {
        long long pid, ppid, cpu_ns, memory;
        char user[16];
        if (sscanf(m.figures.items[i], "%lld %lld %15s %lld %lld", &pid, &ppid, user, &cpu_ns,
                   &memory) != 5)
            continue;
        // json_string is NULL for what is not UTF-8: the shim's words are the program's.
        json_t *command = json_string(m.commands.items[i]);
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:s, s:o, s:I, s:I}", "pid", (json_int_t)pid,
                                        "ppid", (json_int_t)ppid, "user", user, "command",
                                        command ? command : json_string("(not text)"), "cpu_ns",
                                        (json_int_t)cpu_ns, "memory_bytes", (json_int_t)memory));
    }
    json_t *out = json_pack("{s:o}", "pids", list);
    ask->fn(out, NULL, ask->arg);
    json_decref(out);
}

static void container_top(struct instance *inst, kind_answer_fn *fn, void *arg) {
    struct wire_shim_top message = {0};
    put_question(link_of(inst), (struct ask){.of_shim = true, .done = on_top, .fn = fn, .arg = arg},
                 WIRE_SHIM_TOP, &message);
}

static void container_update(struct instance *inst, json_t *limits, kind_answer_fn *fn, void *arg) {
    struct wire_shim_update message = {
        .memory_max_bytes = limit_of(limits, "memory_bytes"),
        .memory_swap_max_bytes = limit_of(limits, "memory_swap_bytes"),
        .cpu_nano = (uint64_t)llround(json_number_value(json_object_get(limits, "cpus")) * 1e9),
        .cpu_shares = limit_of(limits, "cpu_shares"),
        .pids_max = limit_of(limits, "pids")};
    put_question(link_of(inst),
                 (struct ask){.of_shim = true, .done = on_plain, .fn = fn, .arg = arg},
                 WIRE_SHIM_UPDATE, &message);
}

static void on_cleared(struct link *link, struct wire_packet *packet, const struct err *err,
                       struct ask *ask) {
    instance_report_cleared(link->inst, err);
}

static void container_clear(struct instance *inst, bool all) {
    struct link *link = link_of(inst);
    drop_shim(link);
    struct wire_agent_instance_clear message = {.id = inst->id, .all = all};
    put_question(link, (struct ask){.done = on_cleared}, WIRE_AGENT_INSTANCE_CLEAR, &message);
}

const struct kind_ops kind_container = {
    .level = "container",
    .start = container_start,
    .recover = container_recover,
    .signal = container_signal,
    .pause = container_pause,
    .attach = container_attach,
    .exec = container_exec,
    .stats = container_stats,
    .top = container_top,
    .update = container_update,
    .clear = container_clear,
    .release = container_release,
};
