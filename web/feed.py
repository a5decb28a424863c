"""What changed in the store, for all event streams of this process. One thread, one fingerprint a topic."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import closing

from appliance import store
from appliance.clock import Clock
from appliance.config import Config
from appliance.model import ApplianceError
from appliance.store import Database

LOOK_S = 0.1  # how often data_version is read; the alarm's way to the page is at most this much longer
BEAT_S = 2.0
REMEMBERED = 500  # changes kept for streams that reconnect

# Topic -> a query whose answer changes when the topic does. All are index look-ups or tables of a few rows.
TOPICS: Mapping[str, str] = {
    "journal": "select max(seq) from journal",
    "alarms": "select (select group_concat(id || ':' || version || ':' || count || coalesce(restored_at, ''))"
    " from (select * from alarm order by id desc limit 50)) || '|' ||"
    " (select coalesce(group_concat(panel || state || since_at), '') from panel_link) || '|' ||"
    " (select count(*) || ':' || count(ended_at) from aside) || '|' ||"
    " (select count(*) || ':' || count(ended_at) from maintenance) || '|' ||"
    " (select coalesce(group_concat(state || since_at || coalesce(failed_at, '')), '') from arming)",
    "plans": "select (select group_concat(id || title || level || sha256) from plan) || '|' ||"
    " (select count(*) || coalesce(group_concat(sort || subject || floor || x || y), '') from place)",
    "cameras": "select (select coalesce(group_concat(camera || state || since_at || coalesce(cause, '')), '')"
    " from camera_state) || '|' ||"
    " (select coalesce(group_concat(camera || state || since_at || coalesce(cause, '')), '') from second_stream)"
    " || '|' ||"
    " (select coalesce(group_concat(id || coalesce(name_ru, '') || coalesce(onvif, '') || coalesce(aside_at, '')), '')"
    " from taken_camera) || '|' || (select coalesce(group_concat(camera || read_at), '') from camera_told)",
    "found": "select coalesce(group_concat(number || state || seen_at || picture), '') from found_camera",
    "recordings": "select (select max(id) from segment) || ':' || (select count(*) from gap)",
    "orders": "select group_concat(id || state || progress)"
    " from (select id, state, progress from orders order by id desc limit 20)",
    "checks": "select (select max(id) || coalesce(max(finished_at), '') from check_run)"
    " || ':' || (select count(*) from check_result)",
    "exams": "select group_concat(id || revision || state || coalesce(sealed_at, '')) from exam",
    "people": "select count(*) || ':' || count(disabled_at) from person",
    "services": "select group_concat(service || pid) from heartbeat",
}

log = logging.getLogger(__name__)


class Feed:
    """Watches the store for all streams of this process. `places` is how many streams there may be at once."""

    def __init__(self, config: Config, clock: Clock, stop: threading.Event, places: int) -> None:
        self._config, self._clock, self._stop = config, clock, stop
        self._places = threading.BoundedSemaphore(places)
        self._news = threading.Condition()
        self._changes: deque[tuple[int, frozenset[str]]] = deque(maxlen=REMEMBERED)
        self._number = 0
        self._thread: threading.Thread | None = None
        self._watching = threading.Event()  # from then on no change is missed
        self.life = secrets.token_hex(4)  # numbers of another life of this process mean nothing here

    @property
    def number(self) -> int:
        return self._number

    def enter(self) -> bool:
        """Take a place for a stream; False when all are taken. Starts the watching thread with the first stream."""
        if not self._places.acquire(blocking=False):
            return False
        with self._news:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="live-feed", daemon=True)
                self._thread.start()
        self._watching.wait(timeout=BEAT_S)
        return True

    def leave(self) -> None:
        self._places.release()

    def wait(self, after: int, timeout_s: float) -> tuple[int, frozenset[str]]:
        """Topics changed since number `after`, at once or when the next one changes; empty after the timeout."""
        with self._news:
            self._news.wait_for(lambda: self._number > after or self._stop.is_set(), timeout=timeout_s)
            if self._number > after and self._changes and self._changes[0][0] > after + 1:
                return self._number, frozenset(TOPICS)  # more was missed than is remembered
            missed = [topics for number, topics in self._changes if number > after]
            return self._number, frozenset().union(*missed)

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except (sqlite3.Error, ApplianceError):  # a deaf page must not look live: log it and look again
                log.exception("the live pages cannot see the database")
                self._stop.wait(1.0)
        with self._news:
            self._news.notify_all()

    def _look(self) -> None:
        db = store.open(self._config.database)
        with closing(db.conn):
            self._compare(db)

    def _compare(self, db: Database) -> None:
        seen, known = -1, fingerprints(db)
        self._watching.set()
        while not self._stop.wait(LOOK_S):
            version = store.data_version(db)
            if version == seen:
                continue
            seen, fresh = version, fingerprints(db)
            changed = frozenset(topic for topic in TOPICS if fresh[topic] != known[topic])
            known = fresh
            if changed:
                with self._news:
                    self._number += 1
                    self._changes.append((self._number, changed))
                    self._news.notify_all()


def fingerprints(db: Database) -> dict[str, object]:
    return {topic: db.value(sql) for topic, sql in TOPICS.items()}
