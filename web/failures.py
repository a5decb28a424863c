"""Pages for what did not go well: no permission, no such page, a refused press, a fault of ours."""

from __future__ import annotations

import logging
import secrets

from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import Forbidden, HTTPException

from appliance.model import N_, ApplianceError, Message
from web import context, rights

log = logging.getLogger(__name__)


class NotAllowed(Forbidden):
    """The person's role does not have this right."""

    def __init__(self, right: str) -> None:
        super().__init__()
        self.right = right


SENTENCES = {
    400: N_("The box did not understand this request. Open the page anew and try again."),
    403: N_("The box does not accept this press from another page. Open the page anew and try again."),
    404: N_("There is no such page here."),
    405: N_("There is no such page here."),
    413: N_("That is too much text. Write less."),
}


def register(app: Flask) -> None:
    app.register_error_handler(NotAllowed, _not_allowed)
    app.register_error_handler(CSRFError, _outdated)
    app.register_error_handler(ApplianceError, _refused)
    app.register_error_handler(HTTPException, _other)
    app.register_error_handler(Exception, _our_fault)


def _page(status: int, said: str | Message, *, right: str | None = None, code: str | None = None) -> Response:
    if context.is_fragment():
        return Response("", status)
    body = render_template("failure.html", layout="base.html", status=status, said=said, right=right, code=code)
    return Response(body, status, mimetype="text/html")


def _not_allowed(refused: NotAllowed) -> ResponseReturnValue:
    return _page(403, rights.REFUSALS.get(refused.right, SENTENCES[403]), right=refused.right)


def _outdated(_: CSRFError) -> ResponseReturnValue:
    return _page(400, N_("This page was open too long or you signed in again. Open it anew; nothing was written."))


def _refused(refused: ApplianceError) -> ResponseReturnValue:
    """A sentence of the house that no view showed beside its form."""
    return _page(404 if request.method == "GET" else 409, refused.message)


def _other(problem: HTTPException) -> ResponseReturnValue:
    if problem.response is not None or (problem.code or 500) < 400:
        return problem.get_response()
    return _page(problem.code or 500, SENTENCES.get(problem.code or 500, SENTENCES[400]))


def _our_fault(problem: Exception) -> ResponseReturnValue:
    code = secrets.token_hex(2).upper()
    log.error("%s %s failed, code %s", request.method, request.path, code, exc_info=problem)
    return _page(500, N_("This page has broken down. Recording does not depend on it. Try again."), code=code)
