// SPDX-License-Identifier: Apache-2.0
// trine-doctor: runs every probe of this host and prints the findings as JSON; `trine doctor` shows them to people.
#include "host/probe/probe.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *examine(const struct probe *probe) {
    struct probe_result r;
    probe_run(probe, &r);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "area", probe->area, "name", probe->name,
                     "verdict", probe_verdict_word(r.verdict), "use", probe->use, "detail",
                     r.detail, "fix", r.fix);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        puts("Usage: trine-doctor\n\nPrints what this host can do, as a JSON array. 'trine doctor' "
             "shows it to people.");
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    json_t *findings = json_array();
    const struct probe *probe;
    for (size_t i = 0; (probe = probe_at(i)); i++) json_array_append_new(findings, examine(probe));
    int rc = json_dumpf(findings, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(findings);
    return rc < 0 || fflush(stdout) != 0;
}
