// SPDX-License-Identifier: Apache-2.0
// The node itself, its built-in networks, the API's own description, and its figures in OpenMetrics form.
#include "cloud/handlers.h"

#include "base/str.h"
#include "cloud/instance.h"
#include "cloud/kind.h"
#include "host/cgroup.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

void version_handle_get(struct http_request *req, void *arg) {
    http_reply_jansson(req, 200,
                       json_pack("{s:s, s:s, s:[s]}", "version", TRINE_VERSION, "api", "v1",
                                 "api_versions", "v1"),
                       NULL);
}

void openapi_handle_get(struct http_request *req, void *arg) {
    http_reply_text(req, 200, "application/json", api_openapi, api_openapi_size);
}

static const char *cgroup_mode(void) {
    struct cgroup_host *host;
    if (cgroup_host_open(&host, NULL) < 0) return cgroup_mode_word(CGROUP_NONE);
    enum cgroup_mode mode = cgroup_host_mode(host);
    cgroup_host_free(host);
    return cgroup_mode_word(mode);
}

static json_t *levels_json(void) {
    json_t *levels = json_array();
    const struct kind_ops *kind;
    for (size_t i = 0; (kind = kind_at(i)); i++)
        json_array_append_new(levels, json_pack("{s:s, s:b, s:s}", "level", kind->level,
                                                "available", kind->unavailable == NULL, "reason",
                                                kind->unavailable ? kind->unavailable : ""));
    return levels;
}

void node_handle_get(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct utsname uts;
    struct sysinfo info;
    uname(&uts);
    sysinfo(&info);
    json_t *node =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:b}", "kind", "node", "name",
                  uts.nodename, "version", TRINE_VERSION, "api", "v1", "kernel", uts.release,
                  "architecture", uts.machine, "cpus", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN),
                  "memory_bytes", (json_int_t)info.totalram * info.mem_unit, "cgroup_mode",
                  cgroup_mode(), "rootless", cloud->rootless);
    json_object_set_new(node, "pid", json_integer(getpid()));
    json_object_set_new(node, "started_at", json_time(cloud->started_ns));
    json_object_set_new(node, "state_dir", json_string(cloud->state_dir));
    json_object_set_new(node, "instances",
                        json_pack("{s:I, s:I}", "total",
                                  (json_int_t)object_count(cloud->objects, OBJECT_INSTANCE, NULL),
                                  "running", (json_int_t)instances_running(cloud)));
    json_object_set_new(node, "levels", levels_json());
    json_object_set_new(node, "networks", json_pack("[s, s]", "none", "host"));
    json_object_set_new(node, "storage_drivers", json_pack("[s]", "directory"));
    http_reply_jansson(req, 200, node, NULL);
}

// --- networks: none and host are built in; made ones come with their drivers ---------------------------

static json_t *network_json(const char *name) {
    return json_pack("{s:s, s:s, s:s, s:b}", "kind", "network", "name", name, "driver", name,
                     "builtin", 1);
}

void network_handle_list(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    const char *project;
    if (!handler_project(cloud, req, &project)) return;
    http_reply_jansson(req, 200,
                       json_pack("{s:[o, o], s:I}", "items", network_json("none"),
                                 network_json("host"), "revision",
                                 (json_int_t)store_revision(cloud->store)),
                       NULL);
}

void network_handle_get(struct http_request *req, void *arg) {
    const char *project, *name = http_path(req, "network");
    if (!handler_project(arg, req, &project)) return;
    if (strcmp(name, "none") == 0 || strcmp(name, "host") == 0) {
        http_reply_jansson(req, 200, network_json(name), NULL);
        return;
    }
    struct err err = {0};
    char what[128];
    snprintf(what, sizeof(what), "network %s", name);
    err_set(&err, ERR_NOT_FOUND, 0, what, "there is none");
    err_next(&err, "'trine network ls' lists them");
    http_reply_error(req, &err);
}

void network_handle_create(struct http_request *req, void *arg) {
    struct err err = {0};
    err_set(&err, ERR_UNSUPPORTED, 0, "network", "this release has no driver that makes networks");
    err_next(&err, "use the built-in networks 'none' and 'host'");
    http_reply_error(req, &err);
}

// --- metrics -------------------------------------------------------------------------------------------

struct figures {
    struct str *out;
    size_t states[8];
};

static bool count_state(struct object *object, void *arg) {
    struct figures *f = arg;
    f->states[instance_of(object)->state]++;
    return true;
}

static void add_request(const char *operation, int status, uint64_t count, void *arg) {
    str_printf(arg, "trine_http_requests_total{operation=\"%s\",status=\"%dxx\"} %llu\n", operation,
               status, (unsigned long long)count);
}

// `type` as in the exposition format; counters carry the suffix _total on samples, and in Prometheus text on the family.
static void family(struct str *out, bool open, const char *name, const char *type,
                   const char *help) {
    bool counter = strcmp(type, "counter") == 0;
    const char *suffix = counter && !open ? "_total" : "";
    str_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
}

static double process_cpu_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static uint64_t process_resident_bytes(void) {
    char *text auto_free = NULL;
    unsigned long pages = 0;
    if (file_read(-1, "/proc/self/statm", 256, &text, NULL, NULL) == 0)
        sscanf(text, "%*u %lu", &pages);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void metrics_handle_get(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    const char *accept = http_header(req, "Accept");
    bool open = accept && strstr(accept, "application/openmetrics-text");
    struct str out auto_str = {0};
    struct figures f = {.out = &out};
    object_each(cloud->objects, OBJECT_INSTANCE, NULL, count_state, &f);
    family(&out, open, "trine_instances", "gauge", "Instances by state.");
    for (int s = 0; s <= INSTANCE_REMOVING; s++)
        str_printf(&out, "trine_instances{state=\"%s\"} %zu\n", instance_state_word(s),
                   f.states[s]);
    static const struct {
        enum object_kind kind;
        const char *name, *help;
    } kinds[] = {{OBJECT_IMAGE, "trine_images", "Images in the store."},
                 {OBJECT_VOLUME, "trine_volumes", "Volumes."},
                 {OBJECT_PROJECT, "trine_projects", "Projects."}};
    for (size_t i = 0; i < array_len(kinds); i++) {
        family(&out, open, kinds[i].name, "gauge", kinds[i].help);
        str_printf(&out, "%s %zu\n", kinds[i].name,
                   object_count(cloud->objects, kinds[i].kind, NULL));
    }
    family(&out, open, "trine_http_requests", "counter",
           "Requests answered, by operation and class of status.");
    http_each_counter(cloud->http, add_request, &out);
    family(&out, open, "trine_http_connections", "gauge", "Open connections of clients.");
    str_printf(&out, "trine_http_connections %zu\n", http_connections(cloud->http));
    family(&out, open, "trine_store_revision", "gauge", "Revision of the state store.");
    str_printf(&out, "trine_store_revision %lld\n", (long long)store_revision(cloud->store));
    family(&out, open, "process_cpu_seconds", "counter", "CPU time used by the daemon.");
    str_printf(&out, "process_cpu_seconds_total %.6f\n", process_cpu_seconds());
    family(&out, open, "process_resident_memory_bytes", "gauge", "Memory of the daemon.");
    str_printf(&out, "process_resident_memory_bytes %llu\n",
               (unsigned long long)process_resident_bytes());
    family(&out, open, "process_start_time_seconds", "gauge",
           "When the daemon started, since 1970.");
    str_printf(&out, "process_start_time_seconds %.3f\n", (double)cloud->started_ns / 1e9);
    if (open) str_add(&out, "# EOF\n");
    http_reply_text(req, 200,
                    open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                         : "text/plain; version=0.0.4; charset=utf-8",
                    str_text(&out), out.len);
}
