"""Who may do what: one table, enforced before every view. A view that names no right is refused to everybody.

The table is told in docs/pages.md: a button that is not mine is absent, a page that is not mine says whose it is, and
the server refuses what the page never offered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from appliance.model import N_, Role

T, H, S, E, A = Role.TECHNICIAN, Role.HEAD, Role.SECURITY, Role.EXPORTER, Role.ADMIN

RIGHTS: Mapping[str, frozenset[Role]] = {
    "self.use": frozenset(Role),  # one's own language, sign-out, help; the event stream, which carries no content
    "today.read": frozenset(Role),
    "checks.read": frozenset({T, H, A}),
    "checks.run": frozenset({T}),
    "cameras.read": frozenset({T, H, S, A}),
    "cameras.take": frozenset({T, A}),
    "cameras.set": frozenset({T, A}),
    "coverage.read": frozenset({T, H, E, A}),
    "coverage.sign": frozenset({H}),
    "alarms.read": frozenset({T, H, S, A}),
    "alarms.acknowledge": frozenset({S}),
    "alarms.shelve": frozenset({S}),
    "alarms.out": frozenset({T, H}),
    "alarms.test": frozenset({T, S}),
    "alarms.conclude": frozenset({S}),
    "duty.hand": frozenset({S}),
    "alarms.before": frozenset({T, H, S}),  # one minute of one camera, not the archive
    "plans.read": frozenset({T, H, S, A}),
    "plans.change": frozenset({A}),
    "journal.read": frozenset(Role),  # security and the exporter see their own entries only: journal.all
    "journal.all": frozenset({T, H, A}),
    "journal.explain": frozenset({T}),
    "journal.review": frozenset({H}),
    "erasure.read": frozenset({H, A}),
    "erasure.ask": frozenset({A}),
    "erasure.agree": frozenset({H}),
    "marks.read": frozenset({T, H, A}),
    "marks.make": frozenset({H}),
    "access.announce": frozenset({T, E, A}),  # who lays hands on the equipment
    "access.confirm": frozenset({H, A}),  # of these, whom journal.responsible of the profile names
    "archive.read": frozenset({T, H, E}),
    "archive.hold": frozenset({H}),
    "export.read": frozenset({T, H, S, E}),
    "export.ask": frozenset({E}),
    "export.agree": frozenset({S}),
    "people.read": frozenset({H, A}),
    "people.change": frozenset({A}),
    "system.read": frozenset({T, A}),
}

# One whole sentence a section, so that no language has to glue it from pieces.
REFUSALS: Mapping[str, str] = {
    "checks.read": N_("The checklist is kept by the technician, the head and the administrator read it."),
    "checks.run": N_("The checks are run by the technician."),
    "cameras.read": N_("The cameras are for the technician, the head, security and the administrator."),
    "cameras.take": N_("Cameras are taken in by the technician and the administrator."),
    "cameras.set": N_("Cameras are set by the technician and the administrator."),
    "coverage.read": N_("The coverage report is for the technician, the head, the exporter and the administrator."),
    "coverage.sign": N_("The coverage report is signed by the head of site."),
    "alarms.read": N_("The alarms are for security, the technician, the head and the administrator."),
    "alarms.acknowledge": N_("Alarms are acknowledged by security."),
    "alarms.shelve": N_("Alarms are shelved by security."),
    "alarms.out": N_("The technician and the head take a place out of service."),
    "alarms.test": N_("Test mode is begun and ended by the technician and security."),
    "alarms.conclude": N_("Conclusions are written by security."),
    "duty.hand": N_("Duty is handed over by security."),
    "alarms.before": N_("The minute before an alarm is for security, the technician and the head."),
    "plans.read": N_("The plan is for security, the technician, the head and the administrator."),
    "plans.change": N_("The plan is changed by the administrator."),
    "journal.all": N_("The journal is kept by the technician and the head. You see your own entries."),
    "journal.explain": N_("Entries are explained by the technician."),
    "journal.review": N_("The journal is reviewed by the head of site."),
    "erasure.read": N_("Erasures of personal data are for the head of site and the administrator."),
    "erasure.ask": N_("Erasures of personal data are asked for by the administrator."),
    "erasure.agree": N_("The head of site agrees that personal data is erased."),
    "marks.read": N_("Marks of the journal outside the box are for the head, the technician and the administrator."),
    "marks.make": N_("The head marks the journal on a stick of their own."),
    "access.announce": N_("Actions at the equipment are announced by technician, exporter and administrator."),
    "access.confirm": N_("Actions at the equipment are confirmed by the head of site."),
    "archive.read": N_("The archive is for the technician, the head and the exporter."),
    "archive.hold": N_("Recordings are held, and held no longer, by the head of site."),
    "export.read": N_("The hand-over is for the exporter, security, the technician and the head."),
    "export.ask": N_("Recordings are handed over by the exporter."),
    "export.agree": N_("Security agrees that recordings leave the site."),
    "people.read": N_("Accounts are kept by the administrator, the head reads them."),
    "people.change": N_("Accounts are kept by the administrator."),
    "system.read": N_("The system page is for the administrator and the technician."),
}

View = TypeVar("View", bound=Callable[..., Any])
OPEN = "open"  # nobody need be signed in: the sign-in page, static files


def needs(right: str) -> Callable[[View], View]:
    """Name the right a view needs; `web.create_app` refuses to start with a view that names none."""
    if right != OPEN and right not in RIGHTS:
        raise ValueError(f"unknown right {right!r}")

    def mark(view: View) -> View:
        view.needs = right  # type: ignore[attr-defined]
        return view

    return mark


def needed(view: Callable[..., Any] | None) -> str | None:
    """The right a view names; None for a view that names none, which is refused to everybody."""
    return getattr(view, "needs", None)


def allows(role: Role, right: str) -> bool:
    return role in RIGHTS[right]
