"""The values of NetworkPolicies."""

from __future__ import annotations

from chart.value_cases import Case

PEER = {"podSelector": {"matchLabels": {"app": "prometheus"}}}
RULE = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}

POLICIES = [
    Case("networkPolicy.enabled", False, lambda o: o.names("NetworkPolicy"), []),
    Case(
        "networkPolicy.metricsFrom",
        [PEER],
        lambda o: [
            o.one("NetworkPolicy", n)["spec"]["ingress"][-1]["from"]
            for n in ("wasmcloud-operator", "wasmcloud-host-default")
        ],
        [[PEER]] * 2,
    ),
    Case(
        "networkPolicy.httpFrom",
        [PEER],
        lambda o: o.one("NetworkPolicy", "wasmcloud-host-default")["spec"]["ingress"][0]["from"][:-1],
        [PEER],
    ),
    Case(
        "networkPolicy.dnsPorts",
        [53, 5353],
        lambda o: [
            {port["port"] for port in o.one("NetworkPolicy", n)["spec"]["egress"][0]["ports"]}
            for n in ("wasmcloud-operator", "wasmcloud-host-default")
        ],
        [{53, 5353}] * 2,
    ),
    Case(
        "networkPolicy.operator.apiPorts",
        [8443],
        lambda o: o.one("NetworkPolicy", "wasmcloud-operator")["spec"]["egress"][2]["ports"],
        [{"protocol": "TCP", "port": 8443}],
    ),
    Case(
        "networkPolicy.operator.registryPorts",
        [443, 5000],
        lambda o: [p["port"] for p in o.one("NetworkPolicy", "wasmcloud-operator")["spec"]["egress"][3]["ports"]],
        [443, 5000],
    ),
    Case(
        "networkPolicy.operator.egress",
        [RULE],
        lambda o: o.one("NetworkPolicy", "wasmcloud-operator")["spec"]["egress"][-1],
        RULE,
    ),
    Case(
        "networkPolicy.nats.ingress",
        [{"from": [PEER]}],
        lambda o: o.one("NetworkPolicy", "wasmcloud-nats")["spec"]["ingress"][-1],
        {"from": [PEER]},
    ),
    Case(
        "networkPolicy.runtime.egress",
        [RULE],
        lambda o: o.one("NetworkPolicy", "wasmcloud-host-default")["spec"]["egress"][2:],
        [RULE],
    ),
]
