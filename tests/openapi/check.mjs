// SPDX-License-Identifier: Apache-2.0
// check.mjs DOCUMENT ANSWERS: the OpenAPI document by a validator, and each answer in ANSWERS/list ("NAME OPERATION
// STATUS") against the schema that the document gives for it. Tells "ok NAME" or "not ok NAME: why".
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const [documentPath, answers] = process.argv.slice(2);
const document = JSON.parse(readFileSync(documentPath, "utf8"));
let failed = 0;
const tell = (name, errors) => {
    if (!errors) return console.log(`ok ${name}`);
    failed = 1;
    console.log(`not ok ${name}: ${errors.replaceAll("\n", " ").slice(0, 300)}`);
};

const verdict = await new Validator().validate(structuredClone(document));
tell("the document is OpenAPI 3.1", verdict.valid && document.openapi.startsWith("3.1") ? "" : JSON.stringify(verdict.errors ?? document.openapi));

const operations = {};
for (const [path, methods] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(methods))
        if (operation.operationId) operations[operation.operationId] = { path, method, operation };

const ajv = new Ajv2020.default({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: "document", components: document.components });
const pointed = (schema) => JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/'));

for (const line of readFileSync(`${answers}/list`, "utf8").trim().split("\n")) {
    const [name, id, status] = line.split(" ");
    const found = operations[id];
    if (!found) {
        tell(name, `${id} is not in the document`);
        continue;
    }
    const response = found.operation.responses[status] ?? found.operation.responses[`${status[0]}XX`] ?? found.operation.responses.default;
    const resolved = response?.$ref ? document.components.responses[response.$ref.split("/").pop()] : response;
    const content = resolved?.content?.["application/json"] ?? resolved?.content?.["application/problem+json"];
    if (!content?.schema) {
        tell(name, `${id} has no schema for ${status}`);
        continue;
    }
    const validate = ajv.compile(pointed(content.schema));
    const good = validate(JSON.parse(readFileSync(`${answers}/${name}.json`, "utf8")));
    tell(`answer ${name}`, good ? "" : ajv.errorsText(validate.errors));
}
process.exit(failed);
