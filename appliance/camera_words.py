"""What people may ask of a camera, and the words for it: acts, what was set, why one does not answer. No device here.

The pages offer these acts, the keeper carries them out (camera_acts.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.model import N_, Message, message
from appliance.words import both

KIND = "camera"  # the orders' kind
ORDER = "order"  # what passwords in orders are sealed for


@dataclass(frozen=True, slots=True)
class Act:
    """Something to be done at a camera. `risk`: said on a page of its own before it is asked for."""

    title: str
    risk: str = ""
    again: bool = False  # after a kill it may be done once more; else it is given up, and said


ACTS: Mapping[str, Act] = {
    "search": Act(N_("Search the network for cameras"), again=True),
    "look": Act(N_("Ask found cameras with a password"), again=True),
    "take": Act(N_("Take in a camera"), again=True),
    "read": Act(N_("Read the camera again"), again=True),
    "clock": Act(N_("Set clock"), again=True),
    "profile": Act(N_("Set by profile"), again=True),
    "goto": Act(N_("Turn to a preset"), again=True),
    "preset": Act(N_("Keep this view as a preset"), again=True),
    "approve": Act(N_("Approve this view"), again=True),
    "imaging": Act(N_("Set the picture"), again=True),
    "card": Act(N_("Recording on the camera's card"), again=True),
    "user": Act(N_("Make an account in the camera")),
    "no_user": Act(N_("Delete an account of the camera"), N_(
        "Whoever signs in with it, a program too, is shut out. The box's own account stays, and so does recording."
    ), again=True),
    "secret": Act(N_("Use the password that was typed"), again=True),
    "password": Act(N_("Give the camera another password"), N_(
        "The box makes the password, sets it in the camera and signs in with it. Other programs that use the old one"
        " are shut out. What is being recorded goes on."
    )),
    "reboot": Act(N_("Restart the camera"), N_(
        "It sends no picture for about a minute. A gap of that length stays in the recording if it must record now."
    )),
}  # fmt: skip

# What was set, in the journal's two languages.
WHAT: Mapping[str, dict[str, str]] = {
    "clock": both("расхождение часов", "difference of its clock"),
    "ntp": both("серверы времени", "time servers"),
    "stream": both("поток", "stream"),
    "text": both("надпись", "text in the picture"),
    "view": both("куда смотрит", "view"),
    "approved": both("утверждённый вид", "approved view"),
    "preset": both("запомненное место", "preset"),
    "imaging": both("картинка", "picture"),
    "card": both("запись на карту", "recording on the card"),
    "user": both("учётная запись", "account"),
    "password": both("собственный пароль", "a password of its own"),
    "reboot": both("перезагрузка", "restart"),
}

# drivers.onvif_reply.CameraError.reason -> what is wrong and what to do.
REASONS: Mapping[str, str] = {
    "unreachable": N_("Nothing answers at its address. Check its power, its cable and its port of the switch."),
    "silent": N_("It takes the connection but gives no answer. Switch it off and on, then try again."),
    "refused": N_("It refused the password. We will not try again: enter the right one."),
    "foreign": N_("What answers does not speak ONVIF. Switch ONVIF on in its own settings, or check the port."),
    "fault": N_("It refuses: {detail}"),
    "broken": N_("Its answer cannot be read: {detail}"),
}


def why(reason: str, detail: str) -> Message:
    """Why a camera did not do it."""
    return message(REASONS.get(reason, REASONS["fault"]), detail=told(detail).as_json())


# What drivers/onvif*.py says of a camera, where a value stands in it; sentences without one are said as they are.
# The first that fits counts: the shortest stands last.
WITH_VALUE = (
    N_("The nearest size the camera has is {value}."),
    N_("The nearest rate the camera has is {value} frames a second."),
    N_("The camera allows {value} frames between key frames."),
    N_("The camera allows {value} kbit/s."),
    N_("The camera lists a wrong address for a service; it was found at {value}."),
    N_("The camera does not speak ONVIF at port 80; it was found at port {value}."),
    N_("The camera lists {value} profiles; only the first were read."),
    N_("It gives no snapshot. {value}"),
    N_("Asked {operation}, the camera answered {value}; what fits was read."),
    N_("{what} could not be read."),
    N_("Nothing answers at {where}."),
    N_("The camera gives no picture (HTTP {status})."),
    N_("The camera at {where} gave no answer within {value} s."),
    N_("The camera at {where} answers nonsense ({kind})."),
    N_("The camera at {where} speaks no TLS that we know."),
    N_("The snapshot address of profile {token} is no web address and was left out."),
    N_("Profile {token} does not say how its picture is encoded; its address was taken."),
    N_("Profile {token} has no encoder any more."),
    N_("The camera's answer is empty (HTTP {status})."),
    N_("The camera says: {value}"),
    N_("The camera names addresses at another host ({value}); they were asked at {where}."),
    N_("The device answers, but not in ONVIF (HTTP {status})."),
    N_("It has not come back within {value} s."),
    N_("The camera already has a user {name}."),
    N_("The camera has no relay {token}."),
    N_("The camera has no recording job {token}."),
    N_("The camera has no mode {token} for {source}."),
    N_("The camera has no profile {token}."),
    N_("The camera has no {value} sound."),
    N_("The camera has no {value} configuration."),
    N_("The camera has no {kind} configuration {token}."),
    N_("The camera has not turned there within {value} s."),
    N_("The camera has no preset {token}."),
    N_("It has: {value}."),
    N_("The camera is spoken to by {value}; it was left on."),
    N_("The camera has no {codec}."),
    N_("Profiles ({value})"),
    N_("What answers at {where} does not speak HTTP."),
    N_("The camera lists {value} profiles; the first {most} were read."),
    N_("It is no address of a stream: {value}"),
)


def sentences(said: str) -> list[Message]:
    """What a driver said of a camera, sentence by sentence, so that each can be said in another language."""
    return [_sentence(one) for one in re.split(r"(?<=\.) (?=[A-Z])", said) if one]


def _sentence(said: str) -> Message:
    for text in WITH_VALUE:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(text))
        pattern = pattern.replace("(?P<codec>.+)", r"(?P<codec>[A-Z]\S*)")  # H264: a word of ours is something else
        if (fits := re.fullmatch(pattern, said, re.DOTALL)) is not None:
            values = fits.groupdict()
            if "what" in values:  # which part of the camera: a word of ours
                return message(text, what=_sentence(values["what"]).as_json())
            return Message(text, values)
    return message(said.replace("{", "(").replace("}", ")"))


def told(said: str) -> Message:
    """The same as one message, for where one stands: a journal entry, an order's result."""
    found = sentences(said)
    if not found:
        return Message("")
    whole = found[-1]
    for one in reversed(found[:-1]):
        whole = message("{first} {then}", first=one.as_json(), then=whole.as_json())
    return whole
