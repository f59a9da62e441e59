"""What a real API server says of rendered objects."""

from __future__ import annotations

from chart.rendered import Rendered
from ground.control_plane import ControlPlane


def assert_taken(api: ControlPlane, objects: Rendered) -> None:
    """Fails with the API server's complaint; `strict` makes an unknown or repeated field one."""
    for pod in (o for o in objects.objects if o["kind"] == "Pod"):
        # A bare pod is taken only where its service account is: a dry run makes none.
        account = objects.one("ServiceAccount", pod["spec"]["serviceAccountName"], pod["metadata"]["namespace"])
        api.kubectl("apply", "--server-side", "-f", "-", stdin=Rendered([account]).text())
    flags = ["--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"]
    taken = api.kubectl("apply", *flags, "-f", "-", stdin=objects.text())
    assert len(taken.splitlines()) == len(objects.objects)
