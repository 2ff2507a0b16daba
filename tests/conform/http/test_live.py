#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every operation of the API against a real daemon: each answer is as the daemon's own description says. Needs root.

Usage: test_live.py TRINE_DAEMON
"""
import os
import sys
import unittest

from live import Live

DAEMON = sys.argv.pop(1)
WAIT = {"wait": 30}


class Operations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.live = Live(DAEMON)
        cls.addClassCleanup(cls.live.close)
        cls.ask = cls.live.ask
        status, made = cls.ask("image.build", {"from": "busybox"}, WAIT)
        assert (status, made["state"]) == (200, "done"), made

    @classmethod
    def tearDownClass(cls):
        for name in ("web", "job"):
            cls.ask("instance.delete", query={"force": "true", **WAIT}, instance=name)
        asked, known = cls.live.asked, set(cls.live.operations)
        if asked != known - {"instance.attach", "instance.exec"}:  # WebSockets: the command line's tests
            raise AssertionError(f"not asked: {sorted(known - asked)}")

    def expect(self, status, asked, *args, **names):
        got, value = self.ask(asked, *args, **names)
        self.assertEqual(got, status, value)
        return value

    def test_node(self):
        self.expect(200, "version.get")
        self.assertEqual(self.expect(200, "node.get")["kind"], "node")
        self.expect(200, "openapi.get")
        self.assertIn(b"# TYPE", self.expect(200, "metrics.get"))

    def test_projects(self):
        self.expect(201, "project.create", {"name": "shop", "labels": {"a": "1"}})
        self.expect(409, "project.create", {"name": "shop"})
        self.expect(400, "project.create", {"name": "a/b"})
        self.expect(400, "project.create", {"name": "a", "naem": "b"})
        changed = self.expect(200, "project.patch", {"labels": {"a": None, "b": "2"}}, project="shop")
        self.assertEqual(changed["labels"], {"b": "2"})
        self.expect(412, "project.patch", {"labels": {}}, None, {"If-Match": '"0"'}, project="shop")
        self.expect(200, "project.get", project="shop")
        self.assertEqual({p["name"] for p in self.expect(200, "project.list")["items"]}, {"default", "shop"})
        self.expect(204, "project.delete", project="shop")
        self.expect(404, "project.get", project="shop")
        self.expect(409, "project.delete", project="default")

    def test_volumes_and_networks(self):
        self.expect(201, "volume.create", {"name": "data", "labels": {"a": "1"}})
        self.expect(200, "volume.get", volume="data")
        self.assertEqual([v["name"] for v in self.expect(200, "volume.list")["items"]], ["data"])
        self.expect(204, "volume.delete", volume="data")
        self.expect(404, "volume.delete", volume="data")
        self.assertEqual({n["name"] for n in self.expect(200, "network.list")["items"]}, {"none", "host"})
        self.expect(200, "network.get", network="host")
        self.expect(501, "network.create", {"name": "lan"})

    def test_instance(self):
        self.expect(404, "instance.create", {"image": "nothing"})
        self.expect(501, "instance.create", {"image": "busybox", "level": "vm"})
        made = self.expect(201, "instance.create", {"name": "web", "image": "busybox", "args": ["sleep", "600"], "labels": {"tier": "front"}, "stop_timeout_ms": 100,
                                                    "limits": {"memory_bytes": 64 << 20, "pids": 50}})
        self.expect(409, "instance.create", {"name": "web", "image": "busybox"})
        for wish in ("instance.start", "instance.pause", "instance.resume", "instance.restart"):
            ended = self.expect(200, wish, None, WAIT, instance="web")
            self.assertEqual(ended["state"], "done", ended)
        self.assertEqual(self.expect(200, "instance.get", instance=made["id"][:12])["status"]["state"], "running")
        self.expect(200, "instance.patch", {"labels": {"tier": None}, "limits": {"pids": 60}}, instance="web")
        self.expect(200, "instance.stats", instance="web")
        self.assertIn(self.ask("instance.top", instance="web")[0], (200, 501))
        self.assertIn("web", [i["name"] for i in self.expect(200, "instance.list", query={"state": "running"})["items"]])
        self.expect(200, "instance.list_all")
        self.expect(409, "instance.delete", instance="web")
        self.expect(204, "instance.kill", {"signal": "KILL"}, instance="web")
        self.assertEqual(self.expect(200, "instance.wait", instance="web")["exit_code"], 137)
        stopped = self.expect(200, "instance.stop", {"timeout_ms": 100}, WAIT, instance="web")
        self.assertEqual(stopped["state"], "done", stopped)

    def test_output(self):
        self.expect(201, "instance.create", {"name": "job", "image": "busybox", "args": ["echo", "hello"]})
        self.expect(200, "instance.start", None, WAIT, instance="job")
        self.assertEqual(self.expect(200, "instance.wait", instance="job")["exit_code"], 0)
        self.assertRegex(self.expect(200, "instance.logs", instance="job"), rb"^\S+ stdout F hello\n$")

    def test_images(self):
        self.expect(200, "image.tag", {"name": "base:1"}, image="busybox")
        self.assertIn("base:1", self.expect(200, "image.get", image="base:1")["names"])
        tar = self.expect(200, "image.export", None, {"type": "docker"}, image="busybox")
        ended = self.expect(200, "image.import", tar, {"name": "copy:2", **WAIT}, {"Expect": "100-continue"})
        self.assertEqual(ended["state"], "done", ended)
        broken = self.expect(200, "image.import", tar[:5000], WAIT)
        self.assertEqual(broken["state"], "failed", broken)
        self.expect(200, "image.list")
        for name in ("base:1", "copy:2"):
            self.assertEqual(self.expect(200, "image.delete", image=name)["removed_names"], [name])
        self.expect(404, "image.delete", image="copy:2")
        self.expect(200, "image.prune", None, WAIT)

    def test_operations_and_events(self):
        operations = self.expect(200, "operation.list")["items"]
        self.expect(200, "operation.get", operation=operations[-1]["id"])
        self.expect(409, "operation.cancel", operation=operations[-1]["id"])
        self.expect(404, "operation.get", operation="0" * 32)
        events = self.expect(200, "event.list")
        self.expect(200, "event.list", None, {"since": events["last"], "type": "instance.started"})


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit(77)
    unittest.main()
