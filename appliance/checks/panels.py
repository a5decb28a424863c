"""panel.line: is the panel being heard? What its detectors see is the alarm board's, not a check's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing

from appliance import alarm_board, store
from appliance.alarm_board import BoardLink
from appliance.checks.results import Group, Verdict
from appliance.clock import Clock
from appliance.config import Config, Panel
from appliance.model import N_, message

LOOK = N_("Look at the panel itself, check the cable.")


def group(config: Config, clock: Clock) -> Group:
    """The lines of all panels, read together."""

    def gather() -> dict[str, BoardLink]:
        with closing(store.open(config.database)) as db:
            return {link.panel: link for link in alarm_board.board(db, config, clock.now()).links}

    def judge(panel: Panel) -> Callable[[Mapping[str, BoardLink]], Verdict]:
        return lambda links: heard(links[panel.id], panel.name.model_dump())

    overdue = Verdict("broke", message(N_("The box did not finish this check in time.")),
                      message(N_("Run it again; if it repeats, look yourself.")))  # fmt: skip
    return Group(gather, {f"panel.line/{panel.id}": judge(panel) for panel in config.panels}, overdue)


def heard(link: BoardLink, name: Mapping[str, str]) -> Verdict:
    """The line's state as the service `watch` last wrote it; whether watch itself lives is services.beating's."""
    facts = {"state": link.state, "heard_at": link.heard_at, "quiet_s": link.quiet_s}
    if link.state == "heard":
        return Verdict("passed", message(N_("Panel {panel} is heard."), panel=name), facts=facts)
    if link.state == "passive":
        said = N_("Panel {panel} is on a passive line: it prints only what happens, its silence says nothing.")
        return Verdict("remark", message(said, panel=name), message(N_("Let the panel print a test.")), facts)
    if link.state == "starting":
        return Verdict("silent", message(N_("Panel {panel} has not been heard yet."), panel=name), message(LOOK), facts)
    said = N_("Panel {panel} not heard since {lost_at}. What its detectors see is unknown.")
    found = message(said, panel=name, lost_at=link.heard_at or link.since_at)
    return Verdict("failed", found, link.detail or message(LOOK), facts)
