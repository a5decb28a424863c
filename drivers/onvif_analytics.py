"""Reads what looks at the picture inside a camera: analytics modules, rules, and what they can say in metadata.

They are listed, never made: who rules over an exam's alarms is the box, by the events the rules send (onvif_topics.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.onvif_parts import Asked, ask, everyone, repaired
from drivers.onvif_reply import ANALYTICS, every, local
from drivers.onvif_types import Rule
from drivers.types import StreamProfile


def modules(camera: Asked, profiles: Sequence[StreamProfile]) -> tuple[Rule, ...]:
    return _listed(camera, profiles, "GetAnalyticsModules", "AnalyticsModule")


def rules(camera: Asked, profiles: Sequence[StreamProfile]) -> tuple[Rule, ...]:
    return _listed(camera, profiles, "GetRules", "Rule")


def described(camera: Asked) -> tuple[str, ...]:
    """The kinds of module that can describe what they see (GetSupportedMetadata)."""
    answer = ask(camera, "What its analytics can say", ANALYTICS, "GetSupportedMetadata", kept=True)
    found = (_bare(each.get("Type") or each.get("Name") or "") for each in everyone(answer, "AnalyticsModule"))
    return tuple(dict.fromkeys(filter(None, found)))


def _listed(camera: Asked, profiles: Sequence[StreamProfile], operation: str, name: str) -> tuple[Rule, ...]:
    found = []
    for token in dict.fromkeys(one.analytics for one in profiles if one.analytics):
        answer = ask(camera, "What looks at the picture", ANALYTICS, operation, kept=name == "AnalyticsModule",
                     ConfigurationToken=token)  # fmt: skip
        if answer is not None:
            # Not the rules inside a module's own description, which are of the same name.
            direct = [each for each in answer if local(each) == name] or list(every(answer, name))
            found += [Rule(token, repaired(each.get("Name", "")), _bare(each.get("Type", ""))) for each in direct]
    return tuple(found)


def _bare(qualified: str) -> str:
    return qualified.rpartition(":")[2].rpartition("/")[2]
