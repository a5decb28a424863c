"""A person at the pages without a browser: signs in by the real form, sends the forms the page really offers."""

from __future__ import annotations

import re
from html import unescape

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.model import Role
from tests.fakes.seeded_site import PASSWORD, Site

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """One browser's worth of cookies."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"

    def sign_in(self, site: Site, role: Role) -> Visitor:
        answer = self.post("/signin", page="/signin", login=site.login(role), password=PASSWORD)
        assert answer.status_code == 302, text_of(answer)
        return self

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=headers)

    def page(self, path: str) -> str:
        """The words of a page that must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return text_of(answer)

    def post(self, path: str, *, page: str, follow: bool = False, **fields: object) -> TestResponse:
        """Send a form of `page` to `path`, with the token that page carries."""
        token = TOKEN.search(self.get(page).text)
        assert token is not None, f"{page} has no form"
        return self.client.post(path, data={"csrf_token": token[1], **fields}, follow_redirects=follow)

    def press(self, path: str, *, page: str, **fields: object) -> str:
        """Send a form and read the page it leads to."""
        return text_of(self.post(path, page=page, follow=True, **fields))


def text_of(answer: TestResponse) -> str:
    """What is to be read on a page, without its tags; runs of space are one space, also the unbreakable ones."""
    seen = re.sub(r"<(script|style|title)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", seen)).split())
