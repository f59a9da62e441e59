"""What is said about an object that breaks a rule of the API, such as one that is older than the rule."""

from __future__ import annotations

from wasmcloud_api.conditions import Reason

from wasmcloud_operator.engine.context import Context
from wasmcloud_operator.model.conditions import fails, merge_conditions
from wasmcloud_operator.model.keys import Ref
from wasmcloud_operator.model.views import BrokenView


async def report_invalid(context: Context, ref: Ref, view: BrokenView) -> None:
    """Say in an object's Ready condition which rule it breaks; nothing else is done with it."""
    condition = fails("Ready", Reason.INVALID_SPEC, view.problem)
    generation, now_s = view.meta.generation, context.clock.now()
    conditions = merge_conditions(view.conditions, [condition], generation=generation, now_s=now_s)
    await context.statuses.write(ref, view, {"conditions": conditions})
