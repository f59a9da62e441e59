"""Changes while clients are being served."""

from __future__ import annotations

from ground.wait import eventually
from integration.clients import Load
from integration.system import READY_WITHIN_S, System, condition, deployment


def test_a_rollout_loses_no_request(system: System) -> None:
    host = system.add_host("one")
    system.apply(deployment("app", env={"GREETED": "old"}))
    system.assert_answer(host, "app.localhost", "Hello, old!\n")
    with Load(host.http_port, "app.localhost") as load:
        for greeted in ("new", "newer", "newest"):
            system.apply(deployment("app", env={"GREETED": greeted}))
            system.assert_answer(host, "app.localhost", f"Hello, {greeted}!\n")
            eventually(lambda: assert_rolled_out(system), within_s=READY_WITHIN_S)
    assert load.failures == []
    assert load.good_count > 20


def assert_rolled_out(system: System) -> None:
    found = system.get("workloaddeployment", "app")
    deploy = condition(found, "Deploy")
    assert deploy.get("status") == "True", deploy
    assert deploy["observedGeneration"] == found["metadata"]["generation"], deploy
    assert len(system.items("workloads")) == 1, "replicas of the old template are still there"


def test_a_rollout_leaves_replicas_on_different_hosts(system: System) -> None:
    hosts = [system.add_host("one"), system.add_host("two")]
    system.await_hosts()
    system.apply(deployment("app", replicas=2, env={"GREETED": "old"}))
    system.await_ready("app")
    system.apply(deployment("app", replicas=2, env={"GREETED": "new"}))
    for host in hosts:
        system.assert_answer(host, "app.localhost", "Hello, new!\n")


def test_a_bad_image_stops_the_rollout_and_the_old_replicas_serve_on(system: System) -> None:
    host = system.add_host("one")
    fast = {"progressDeadlineSeconds": 3}
    system.apply(deployment("app", spec=fast))
    system.assert_answer(host, "app.localhost", "Hello, world!\n")
    with Load(host.http_port, "app.localhost") as load:
        system.apply(deployment("app", image="file://core-module.wasm", spec=fast))
        eventually(lambda: assert_deadline_exceeded(system), within_s=READY_WITHIN_S)
    assert load.failures == []
    system.apply(deployment("app", image="file://http-p2.wasm", spec=fast))
    system.assert_answer(host, "app.localhost", "hello from http-p2\n")


def assert_deadline_exceeded(system: System) -> None:
    deploy = condition(system.get("workloaddeployment", "app"), "Deploy")
    assert deploy.get("reason") == "ProgressDeadlineExceeded", deploy


def test_a_changed_config_map_starts_a_rollout(system: System) -> None:
    host = system.add_host("one")
    system.kubectl("create", "configmap", "greeting", "--from-literal=GREETED=map")
    system.kubectl("create", "secret", "generic", "whisper", "--from-literal=SECRET_NAME=hush")
    layers = {"environment": {"configFrom": [{"name": "greeting"}], "secretFrom": [{"name": "whisper"}]}}
    system.apply(deployment("app", component={"localResources": layers}))
    system.assert_answer(host, "app.localhost", "Hello, map!\n")
    system.kubectl("patch", "configmap", "greeting", "--patch", '{"data": {"GREETED": "change"}}')
    system.assert_answer(host, "app.localhost", "Hello, change!\n")
    assert "hush" not in system.dump()


def test_a_missing_config_map_is_named_and_awaited(system: System) -> None:
    host = system.add_host("one")
    layers = {"environment": {"configFrom": [{"name": "greeting"}]}}
    system.apply(deployment("app", component={"localResources": layers}))
    eventually(lambda: assert_config_awaited(system), within_s=READY_WITHIN_S)
    system.kubectl("create", "configmap", "greeting", "--from-literal=GREETED=late")
    system.assert_answer(host, "app.localhost", "Hello, late!\n")


def assert_config_awaited(system: System) -> None:
    (workload,) = system.items("workloads")
    config = condition(workload, "Config")
    assert (config.get("status"), config.get("reason")) == ("False", "ConfigMapNotFound"), config
    assert "greeting" in config["message"], config
