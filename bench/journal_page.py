"""Journal pages: milliseconds a page with a hundred entries and with a million, each filter and search; bytes a row.

The rows are a site's days: one in three a sign of life, the rest doors, recordings, sign-ins and acts in many rooms.
They are written in one piece, without the sync of each that bench/journal.py measures. Every page is the real one,
asked of the web application, signed in as the head: HTML and all.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import tomli_w
from flask.testing import FlaskClient

from appliance import access, accounts, identity, journal, journal_search, store
from appliance import config as configuration
from appliance.clock import FakeClock, SystemClock
from appliance.config import Config
from appliance.model import Actor, Person, Personal, Role
from appliance.store import Database
from bench.machine import machine
from bench.site import write_site
from web import create_app

PASSWORD = "as long as it has to be"  # noqa: S105 - of a journal that is thrown away
ROOMS, EXAMS, STEP = 60, 40, 5000
PAGES = {
    "newest": "", "in the middle": "before={middle}", "oldest": "before=60", "day": "day={day}", "exam": "exam=exam-7",
    "room": "room=0007", "person": "person=orlov", "rare person": "person=rare", "action": "action=angle",
    "subject": "subject=door", "exam, room, subject": "exam=exam-7&room=0007&subject=recording",
    "nothing fits": "exam=exam-7&day={day}&person=rare", "word, common": "q=запись", "word, rare": "q=сверчок",
    "two words": "q=дверь+стойки", "begun, common": "q=на", "begun, rare": "q=сверч", "begun long, common": "q=запис",
    "words and filters": "q=аудитории+дверь&room=0007&exam=exam-7", "common, nothing in both": "q=запись+вошёл",
    "word, in the middle": "q=дверь&before={middle}",
}  # fmt: skip


@dataclass(slots=True)
class Site:
    folder: Path
    config: Config
    db: Database
    clock: FakeClock = field(default_factory=lambda: FakeClock(SystemClock().now() - timedelta(days=400)))


def site(folder: Path) -> Site:
    file = write_site(folder, {}, segment_s=60)
    said = tomllib.loads(file.read_text())
    for number in (f"{n:04d}" for n in range(1, ROOMS)):
        both = {"ru": f"Аудитория {number}", "en": f"Room {number}"}
        said["room"].append({"code": number, "kind": "classroom", "name": both})
    file.write_bytes(tomli_w.dumps(said).encode())
    config = configuration.load(file)
    config.data.mkdir(parents=True)
    db = store.open(config.database, create=True)
    identity.begin(db, config)
    made = Site(folder, config, db)
    people = (
        ("orlov", "Орлов Пётр Сергеевич", Role.TECHNICIAN),
        ("rare", "Сверчков Лев", Role.ADMIN),
        ("ivanova", "Иванова Анна Викторовна", Role.HEAD),
    )
    for login, name, role in people:
        accounts.add(db, config, made.clock, Actor.service("init"), login, name, role, "ru", PASSWORD)
    return made


def grow(made: Site, size: int) -> float:
    """Rows until the journal has `size`; returns the seconds it took."""
    began, people = time.perf_counter(), {who.login: who for who in accounts.people(made.db)}
    while (head := journal.head(made.db)[0]) < size:
        if head % 1000 < 40:
            _act(made, people["orlov"], people["ivanova"], head)
        with store.transaction(made.db):
            for seq in range(journal.head(made.db)[0] + 1, min(journal.head(made.db)[0] + 960, size) + 1):
                made.clock.advance(20)
                _entry(made, seq, people)
    return time.perf_counter() - began


def _act(made: Site, orlov: Person, ivanova: Person, head: int) -> None:
    what = ("angle", "check", "start", "stop")[head // 1000 % 4]
    room = f"{1 + head // 1000 % (ROOMS - 1):04d}"
    seq = access.begin(made.db, made.config, made.clock, orlov, what, [room], key=str(head))
    access.end(made.db, made.config, made.clock, seq, orlov, key=str(head))
    access.confirm(made.db, made.config, made.clock, seq, ivanova, "password", key=str(head))


def _entry(made: Site, seq: int, people: dict[str, Person]) -> None:
    watch, exam, room = Actor.service("watch"), f"exam-{seq // STEP % EXAMS}", f"{1 + seq % (ROOMS - 1):04d}"
    rack = {"ru": "Дверь стойки", "en": "Rack door"}

    def add(kind: str, actor: Actor, **data: Any) -> None:
        journal.append(made.db, made.clock, kind, actor, exam=exam, room=room, **data)

    if seq % 30_000 == 77:
        add("journal.explained", Actor.person(people["rare"]), word=Personal("Поймал сверчка"))
    elif seq % 3 == 0:
        journal.append(made.db, made.clock, journal.ALIVE, Actor.service("keeper"))
    elif seq % 12 == 1:
        add("signin.accepted", Actor.person(people["orlov"]), address="127.0.0.1", how="password")
    elif seq % 12 == 2:
        add("door.opened", watch, zone=rack, role="rack-door")
    elif seq % 12 == 4:
        add("door.closed", watch, zone=rack, role="rack-door", open_ms=130_000)
    else:
        add("recording.started", Actor.service("recorder"))


def pages(made: Site, repeats: int) -> Iterator[tuple[str, float, int]]:
    """(page, median milliseconds, rows on it)."""
    app = create_app(made.config, SystemClock())
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post("/signin", data={"login": "ivanova", "password": PASSWORD})
    middle = journal.head(made.db)[0] // 2
    day = journal.get(made.db, middle).at[:10]
    for name, query in PAGES.items():
        path = "/journal?" + query.format(middle=middle, day=day)
        yield name, *_asked(client, path, repeats)
    yield "what waits", *_asked(client, "/journal/waiting", repeats)
    yield "one entry", *_asked(client, f"/journal/{middle}", repeats)


def _asked(client: FlaskClient, path: str, repeats: int) -> tuple[float, int]:
    taken, rows = [], 0
    for _ in range(repeats):
        began = time.perf_counter()
        answer = client.get(path)
        taken.append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code}")
        rows = answer.text.count('id="entry-')
    return statistics.median(taken) * 1000, rows


def index(made: Site) -> float:
    began = time.perf_counter()
    while journal_search.catch_up(made.db, made.config, SystemClock(), 60):
        pass
    return time.perf_counter() - began


def sizes(made: Site) -> str:
    store.checkpoint(made.db)
    count = journal.head(made.db)[0]
    found = made.db.rows("select m.tbl_name as name, sum(d.pgsize) as bytes from dbstat d join sqlite_master m"
                         " on m.name = d.name where m.tbl_name like 'journal%' group by 1 order by 2 desc")  # fmt: skip
    whole = made.config.database.stat().st_size / count
    return f"{whole:.0f} in all: " + ", ".join(f"{each['name']} {each['bytes'] / count:.0f}" for each in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 1_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the journal is made; default: the temporary folder")
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        made, measured = site(Path(name)), {}
        for size in sorted(chosen.rows):
            grown_s, indexed_s = grow(made, size), index(made)
            print(f"{size} rows written in {grown_s:.0f} s, indexed in {indexed_s:.0f} s. Bytes a row {sizes(made)}",
                  flush=True)  # fmt: skip
            measured[size] = list(pages(made, chosen.repeats))
        for at, (page, _, _) in enumerate(measured[max(measured)]):
            said = "   ".join(f"{size:>9}: {of[at][1]:7.1f} ms, {of[at][2]:2} rows" for size, of in measured.items())
            print(f"{page:<26}{said}")


if __name__ == "__main__":
    main()
