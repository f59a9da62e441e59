"""What breaks on a bad day: hosts, the operator, NATS."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from ground.wait import eventually
from integration.clients import Load, Wiretap, answering
from integration.system import READY_WITHIN_S, RunningHost, System, deployment

FAILOVER_WITHIN_S = 8  # less than silence takes to be noticed, 10 s; how soon it is: benchmarks/failover.py
SCALE_UP = 150  # enough that the operator is killed before it has done
NATS_OUTAGE_S = 20  # longer than the operator's patience with a silent host


def test_another_host_answers_before_a_dead_one_would_be_missed(system: System) -> None:
    dying, heir = one_of_two_serves(system)
    with Load(dying.http_port, "app.localhost") as load:
        eventually(lambda: load.assert_good_count(20), within_s=READY_WITHIN_S)
        dying.process.kill()
        eventually(answering(heir.http_port, "app.localhost"), within_s=FAILOVER_WITHIN_S, every_s=0.01)
    (workload,) = system.items("workloads")
    assert workload["status"]["hostId"] == heir.name


def one_of_two_serves(system: System) -> tuple[RunningHost, RunningHost]:
    """One replica of `app` on two hosts: the host that serves it, then the other."""
    one, two = system.add_host("one"), system.add_host("two")
    system.await_hosts()
    system.apply(deployment("app"))
    system.await_ready("app")
    return (one, two) if one.get("app.localhost").status == 200 else (two, one)


def test_the_other_replica_serves_on_while_a_host_dies(system: System) -> None:
    dying, other = system.add_host("one"), system.add_host("two")
    system.await_hosts()
    system.apply(deployment("app", replicas=2))
    system.await_ready("app")
    with Load(other.http_port, "app.localhost") as load:
        dying.process.kill()
        eventually(lambda: assert_running(system, 2, [other]), within_s=READY_WITHIN_S)
        eventually(lambda: load.assert_good_count(20), within_s=READY_WITHIN_S)
    assert load.failures == []


def test_a_host_that_ends_hands_over_without_a_lost_request(system: System) -> None:
    ending, heir = one_of_two_serves(system)
    ending.process.stop(within_s=READY_WITHIN_S)
    # It may end only when the other serves: a client that is led here next is answered at once.
    assert heir.get("app.localhost").body == "Hello, world!\n"
    eventually(lambda: assert_running(system, 1, [heir]), within_s=READY_WITHIN_S)


def test_an_operator_killed_in_the_middle_of_a_scale_up_doubles_nothing(system: System) -> None:
    hosts = [system.add_host("one"), system.add_host("two")]
    system.await_hosts()
    system.apply(deployment("app", replicas=1))
    system.await_ready("app")
    with Wiretap(system.nats.url) as wire, ThreadPoolExecutor() as aside:
        # Not waited for: by the time kubectl has ended, the operator may have done it all.
        scaled = aside.submit(system.kubectl, "scale", "workloaddeployment/app", f"--replicas={SCALE_UP}")
        eventually(lambda: assert_begun(wire), within_s=READY_WITHIN_S, every_s=0.001)
        system.operator.kill()
        scaled.result()
    started_count = sum(len(system.running_on(host)) for host in hosts)
    assert started_count < SCALE_UP, "the operator was quicker than the test: it proves nothing"
    system.start_operator()
    system.await_ready("app")
    eventually(lambda: assert_running(system, SCALE_UP, hosts), within_s=READY_WITHIN_S)


def assert_begun(wire: Wiretap) -> None:
    assert any(subject.endswith(".workload.start") for subject in wire.subjects), "no second workload yet"


def assert_running(system: System, count: int, hosts: list[RunningHost]) -> None:
    """Each Workload runs exactly once, and the hosts run nothing else."""
    wanted = sorted(workload["metadata"]["uid"] for workload in system.items("workloads"))
    running = sorted(workload_id for host in hosts for workload_id in system.running_on(host))
    assert len(wanted) == count, f"{len(wanted)} workloads, wanted {count}"
    assert running == wanted, f"hosts run {len(running)} of {count}"


def test_workloads_do_not_notice_that_nats_is_away(system: System) -> None:
    hosts = [system.add_host("one"), system.add_host("two")]
    system.await_hosts()
    system.apply(deployment("app", replicas=2))
    system.await_ready("app")
    before = seen(system)

    with Load(hosts[0].http_port, "app.localhost") as one, Load(hosts[1].http_port, "app.localhost") as two:
        system.nats.stop()
        back_s = time.monotonic() + NATS_OUTAGE_S
        eventually(lambda: assert_past(back_s), within_s=NATS_OUTAGE_S + 5)
        system.nats.start()
        with Wiretap(system.nats.url) as wire:
            eventually(lambda: assert_probed(wire, hosts), within_s=READY_WITHIN_S)
    assert one.failures + two.failures == []
    assert one.good_count > 20
    assert two.good_count > 20
    assert [subject for subject in wire.subjects if subject.endswith((".start", ".stop"))] == []
    assert seen(system) == before
    eventually(lambda: assert_running(system, 2, hosts), within_s=READY_WITHIN_S)


def seen(system: System) -> list[tuple[str, str, int]]:
    """What would differ if a workload had been moved, replaced or started again."""
    return sorted(
        (one["metadata"]["uid"], one["status"]["hostId"], one["status"].get("restarts", 0))
        for one in system.items("workloads")
    )


def assert_past(moment_s: float) -> None:
    assert time.monotonic() >= moment_s, "NATS is to be away for longer"


def assert_probed(wire: Wiretap, hosts: list[RunningHost]) -> None:
    """The operator has found each host again, and looked at it for some time."""
    for host in hosts:
        count = wire.subjects.count(f"runtime.host.{host.name}.heartbeat")
        assert count >= 10, f"{host.name} was probed {count} times"
