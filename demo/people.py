"""The five people of the demo: what each does when nobody at the page has done it yet.

They act through the same functions as the pages do, with the same rights and the same journal entries.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance import accounts, alarms, journal, orders
from appliance.clock import Clock
from appliance.commands.user import new_password
from appliance.config import Config
from appliance.model import Actor, Language, Person, Role
from appliance.store import Database
from demo.site import PEOPLE


@dataclass(frozen=True, slots=True)
class Crew:
    """The people with their fresh passwords, by role."""

    people: dict[Role, Person]
    passwords: dict[str, str]


def sign_up(db: Database, config: Config, clock: Clock, language: Language) -> Crew:
    """Make the five accounts, each with a password of its own."""
    passwords = {login: new_password() for login, _, _ in PEOPLE}
    people = {
        role: accounts.add(db, config, clock, Actor.service("demo"), login, name, role, language, passwords[login])
        for login, name, role in PEOPLE
    }
    return Crew(people, passwords)


class Hands:
    """What the people's hands do, each act only when it is still to be done."""

    def __init__(self, db: Database, config: Config, clock: Clock, crew: Crew) -> None:
        self._db, self._config, self._clock, self._people = db, config, clock, crew.people

    def acknowledge_fire(self) -> None:
        """The guard takes the fire alarm in hand."""
        for alarm in alarms.board(self._db, self._config, self._clock.now()).alarms:
            if alarm.kind.startswith("fire.") and alarm.acknowledged_at is None:
                alarms.acknowledge(
                    self._db,
                    self._config,
                    self._clock,
                    alarm.id,
                    self._people[Role.SECURITY],
                    comment="Иду на место: пыль от ремонта, пожара нет",
                )

    def explain_door(self) -> None:
        """The technician says why the rack was opened."""
        for entry in self._unexplained():
            journal.explain(self._db, self._clock, entry, self._people[Role.TECHNICIAN], "Переткнул кабель порта 6")

    def accept_door(self) -> None:
        """The head accepts the explanation; what nobody has explained yet stays for the next look."""
        for entry in [e.seq for e in journal.waiting(self._db) if self._explained(e.seq)]:
            journal.review(self._db, self._clock, entry, self._people[Role.HEAD], "accepted", "Видел запись, согласна")

    def _unexplained(self) -> list[int]:
        return [entry.seq for entry in journal.waiting(self._db) if not self._explained(entry.seq)]

    def _explained(self, seq: int) -> bool:
        return any(answer.kind == "journal.explained" for answer in journal.answers(self._db, seq))

    def ask_export(self, exam: str) -> int:
        """The exporter asks for the corridor and entrance recordings."""
        args = {
            "exam": exam,
            "target": "usb",
            "room_kinds": [kind.value for kind in self._config.profile.export.room_kinds],
            "grounds": "Запрос РЦОИ № 12",
            "recipient": "РЦОИ",
        }
        return orders.place(
            self._db, self._clock, "export", args, self._people[Role.EXPORTER], key=f"demo-{exam}", agreement=True
        )

    def agree_export(self, order: int) -> None:
        """The guard agrees that they leave the site."""
        if orders.get(self._db, order).state == "waits":
            orders.agree(self._db, self._clock, order, self._people[Role.SECURITY])
