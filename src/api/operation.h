// SPDX-License-Identifier: Apache-2.0
// One entry of api_operations[], the table that api/generate.py makes: an operation of the API.
#ifndef TRINE_API_OPERATION_H
#define TRINE_API_OPERATION_H

#include "api/schema.h"

enum api_method { API_GET, API_POST, API_PATCH, API_DELETE, API_METHOD_COUNT };

// What goes through beside one JSON document each way.
enum api_stream {
    API_STREAM_NONE,
    API_STREAM_UPLOAD,    // the request's body, any size
    API_STREAM_DOWNLOAD,  // the answer's body, any size
    API_STREAM_SSE,       // server-sent events, where the request asks for them
    API_STREAM_TEXT,      // lines, as they come
    API_STREAM_WEBSOCKET, // both ways (RFC 6455)
};

struct api_parameter {
    const char *name;
    const struct api_schema *schema; // an array: may be given several times
    bool required;
};

struct api_operation {
    const char *id;   // "instance.create"
    const char *path; // "/v1/projects/{project}/instances"
    const char *summary;
    const struct api_parameter *path_parameters; // in the order of the path
    const struct api_parameter *query;
    const struct api_schema *body;   // NULL: takes none
    const struct api_schema *result; // of a successful JSON answer; NULL: none, or not JSON
    uint8_t n_path_parameters, n_query;
    enum api_method method;
    enum api_stream stream;
    bool body_required;
    bool etag; // answers with an ETag, or takes If-Match
};

#endif
