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
    return message(REASONS.get(reason, REASONS["fault"]), detail=detail)


# What drivers/onvif*.py says of a camera, where a value stands in it; sentences without one are said as they are.
# The first that fits counts: the shortest stands last.
WITH_VALUE = (
    N_("The nearest size the camera has is {value}."),
    N_("The nearest rate the camera has is {value} frames a second."),
    N_("The camera allows {value} frames between key frames."),
    N_("The camera allows {value} kbit/s."),
    N_("The camera lists a wrong address for a service; it was found at {value}."),
    N_("The camera does not speak ONVIF at port 80; it was found at port {value}."),
    N_("It gives no snapshot. {value}"),
)


def sentences(said: str) -> list[Message]:
    """What a driver said of a camera, sentence by sentence, so that each can be said in another language."""
    found = []
    for one in re.split(r"(?<=\.) (?=[A-Z])", said):
        for text in WITH_VALUE:
            before, _, after = text.partition("{value}")
            if one.startswith(before) and one.endswith(after) and len(one) > len(before) + len(after):
                found.append(message(text, value=one[len(before):len(one) - len(after)]))
                break
        else:
            found.append(message(one.replace("{", "(").replace("}", ")")))
    return found
