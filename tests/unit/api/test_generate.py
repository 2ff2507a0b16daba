#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator refuses what is wrong in api/, naming the file and the fault; and the shells' tables agree with it.

Usage: test_generate.py SOURCE_ROOT
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1)).resolve()
ERR_H = ROOT / "src/base/err.h"
sys.path.insert(0, str(ROOT / "api"))

from generator import completion, load, man, openapi, patterns  # noqa: E402


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        for path in (ROOT / "api").rglob("*.json"):
            to = self.folder / path.relative_to(ROOT / "api")
            to.parent.mkdir(exist_ok=True)
            shutil.copy(path, to)

    def tearDown(self):
        shutil.rmtree(self.folder)

    def change(self, name, change):
        path = self.folder / name
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    def refused(self, *words):
        with self.assertRaises(load.Bad) as caught:
            load.load(self.folder, ERR_H)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_good(self):
        self.assertGreater(len(load.load(self.folder, ERR_H).operations), 40)

    def test_not_json(self):
        (self.folder / "node.get.json").write_text("{")
        self.refused("node.get.json")

    def test_duplicate_member(self):
        (self.folder / "node.get.json").write_text('{"id":"node.get","id":"node.get"}')
        self.refused("node.get.json", "twice")

    def test_unknown_member(self):
        self.change("node.get.json", lambda o: o.update(sumary="x"))
        self.refused("node.get.json", "sumary")

    def test_missing_member(self):
        self.change("node.get.json", lambda o: o.pop("summary"))
        self.refused("summary", "missing")

    def test_wrong_type(self):
        self.change("node.get.json", lambda o: o.update(errors="state"))
        self.refused("errors", "list")

    def test_id_is_file_name(self):
        self.change("node.get.json", lambda o: o.update(id="node.show"))
        self.refused("node.get.json")

    def test_method(self):
        self.change("node.get.json", lambda o: o.update(method="FETCH"))
        self.refused("FETCH", "GET")

    def test_path(self):
        self.change("node.get.json", lambda o: o.update(path="v1/node"))
        self.refused("v1/node")

    def test_path_parameter(self):
        self.change("node.get.json", lambda o: o.update(path="/v1/{node}"))
        self.refused("{node}", "parameters.json")

    def test_two_answer_one_route(self):
        self.change("node.get.json", lambda o: o.update(path="/v1/version"))
        self.refused("two operations", "/v1/version")

    def test_error_kind(self):
        self.change("node.get.json", lambda o: o.update(errors=["gone"]))
        self.refused("gone")

    def test_body_type(self):
        self.change("project.create.json", lambda o: o["body"].update(type="Projcet"))
        self.refused("Projcet")

    def test_body_of_get(self):
        self.change("node.get.json", lambda o: o.update(body={"type": "Name", "required": True}))
        self.refused("no JSON body")

    def test_schema_keyword(self):
        self.change("types/Name.json", lambda s: s.update(minLenght=1))
        self.refused("types/Name.json", "minLenght")

    def test_open_object(self):
        self.change("types/Mount.json", lambda s: s.update(additionalProperties=True))
        self.refused("types/Mount.json", "additionalProperties")

    def test_reference(self):
        self.change("types/Image.json", lambda s: s["properties"].update(config={"$ref": "Nothing"}))
        self.refused("types/Image.json", "Nothing")

    def test_required(self):
        self.change("types/Mount.json", lambda s: s.update(required=["typo"]))
        self.refused("typo")

    def test_pattern_without_words(self):
        self.change("types/Name.json", lambda s: s.pop("x-expected"))
        self.refused("x-expected")

    def test_default(self):
        self.change("types/VolumeCreate.json", lambda s: s["properties"]["driver"].update(default="pool"))
        self.refused("default", "driver")

    def test_flag_field(self):
        self.change("volume.create.json", lambda o: o["cli"]["flags"][0].update(field="body.lables"))
        self.refused("--label", "body.lables")

    def test_flag_type(self):
        self.change("volume.create.json", lambda o: o["cli"]["flags"][0].update(type="text"))
        self.refused("--label", "text")

    def test_flag_taken(self):
        self.change("volume.create.json", lambda o: o["cli"]["flags"][0].update(short="q"))
        self.refused("\"q\" is taken")

    def test_completion_kind(self):
        self.change("instance.get.json", lambda o: o["cli"]["args"][0].update(complete="instnaces"))
        self.refused("instnaces")

    def test_command_twice(self):
        self.change("volume.create.json", lambda o: o["cli"].update(command="volume rm"))
        self.refused("volume rm", "twice")

    def test_command_without_example(self):
        self.change("volume.create.json", lambda o: o["cli"].pop("examples"))
        self.refused("volume create", "example")

    def test_see(self):
        self.change("version.get.json", lambda o: o["cli"].update(see="versoin"))
        self.refused("versoin")

    def test_program_exit(self):
        done = subprocess.run([sys.executable, "-B", str(ROOT / "api/generate.py"), "check", str(ERR_H), "0", "/nonexistent"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("api: ", done.stderr)


class Patterns(unittest.TestCase):
    def test_same_as_re(self):
        texts = ["", "a", "A=", "a=b=c", "/x", "x/", "a-b", "-a", "0", "ab" * 40, "a\nb", "é"]
        for pattern in ("^[^=]+=.*$", "^/.*$", "^[a-z][a-z0-9-]{0,30}$", "^[0-9a-f]{2}$", "^a?[b-z]*$"):
            for text in texts:
                wanted = re.fullmatch(pattern.replace(".*", "(?s:.*)"), text) is not None
                data, at, good = text.encode(), 0, True
                for chosen, low, high in patterns.parse(pattern):
                    count = 0
                    while at < len(data) and count < high and data[at] in chosen:
                        at, count = at + 1, count + 1
                    good &= count >= low
                self.assertEqual(good and at == len(data), wanted, (pattern, text))

    def test_refused(self):
        for pattern in ("a", "^a|b$", "^(a)$", "^a*a$", "^[a-z]+b?[c]$", "^a{2,1}$", "^a**$"):
            with self.assertRaises(ValueError, msg=pattern):
                patterns.parse(pattern)


class Products(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = load.load(ROOT / "api", ERR_H)

    def test_openapi_references(self):
        document = json.loads(openapi.document(self.api, "1"))
        ids = [op["operationId"] for path in document["paths"].values() for op in path.values()]
        self.assertEqual(sorted(ids), sorted(op["id"] for op in self.api.operations))
        for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)):
            self.assertIn(name, document["components"]["schemas"])

    def test_man_pages(self):
        pages = man.pages(self.api, "1")
        for cmd in self.api.commands:
            self.assertEqual(man.name_of(cmd) + ".1" in pages, not cmd.get("hidden"), cmd["command"])

    def test_every_operation_has_a_command(self):
        names = {c["command"] for c in self.api.commands}
        for op in self.api.operations:
            self.assertIn(op["cli"].get("command", op["cli"].get("see")), names)

    def bash(self, *words):
        script = completion.scripts(self.api)["bash"] + (
            "\ntrine() { echo \"$2:$3\" >&2; echo \"$3-one\"; echo \"$3-two\"; }\n"
            "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _trine 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True)
        return done.stdout.split()

    def test_bash(self):
        self.assertEqual(self.bash("trine", "vol"), ["volume"])
        self.assertEqual(self.bash("trine", "volume", "i"), ["inspect"])
        self.assertEqual(self.bash("trine", "--project", "p", "volume", "r"), ["rm"])
        self.assertEqual(self.bash("trine", "logs", "--fol"), ["--follow"])
        self.assertEqual(self.bash("trine", "logs", "we"), ["we-one", "we-two"])
        self.assertEqual(self.bash("trine", "rm", "a", "b", "we"), ["we-one", "we-two"])
        self.assertEqual(self.bash("trine", "logs", "a", "b"), [])
        self.assertEqual(self.bash("trine", "run", "--network", "h"), ["h-one", "h-two"])
        self.assertEqual(self.bash("trine", "run", "--level", "=", "mi"), ["micro"])
        self.assertEqual(self.bash("trine", "ps", "--format", "j"), ["json"])
        self.assertEqual(self.bash("trine", "run", "-it", "--rm", "debian", ":", "bo"), ["bo-one", "bo-two"])
        self.assertEqual(self.bash("trine", "completion", ""), ["bash", "zsh", "fish"])


if __name__ == "__main__":
    unittest.main()
