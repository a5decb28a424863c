"""State and event codes of Bolid's Orion, as a С2000-ПП says them: class, state, name, and what a code is the end of.

The numbers, names and priorities are those of the manual (panels.md 3); the same code is an event in the queue and a
state in a zone's register. A lasting code stays until one of the codes that end it, or until it is gone from the
zone's states. A code in no list is kept and told as information: nothing is guessed into an alarm or out of one.
"""

from __future__ import annotations

from dataclasses import dataclass

ARMED, DISARMED, PARTITION_ARMED, PARTITION_DISARMED = 24, 109, 241, 242
PULT_STARTED = 253

# Where the class is not that of the list: a disarmed input that is violated (119) is people walking, not tamper; a
# blocked start (147) and automatics switched off (142) are no extinguishing, which latches as fire does.
# code, class, name: lasts until its end is said, or until the state is gone
_LASTING: tuple[tuple[int, str, str], ...] = (
    (37, "fire.alarm", "Fire alarm"),
    (40, "fire.alarm", "Fire alarm: second detector"),
    (9, "fire.alarm", "Fire alarm: manual start device"),
    (44, "fire.prealarm", "Fire pre-alarm: attention"),
    (43, "fire.prealarm", "Fire pre-alarm: warning"),
    (48, "fire.prealarm", "Second detector triggered"),
    (216, "fire.prealarm", "Detector triggered"),
    (137, "extinguishing", "Launch circuit triggered"),
    (141, "extinguishing", "Extinguishing starts after a delay"),
    (144, "extinguishing", "Extinguishing"),
    (145, "extinguishing", "Extinguishing: emergency start"),
    (146, "extinguishing", "Extinguishing started"),
    (139, "extinguishing", "Extinguishing: start failed"),
    (150, "extinguishing", "Voice evacuation started"),
    (220, "extinguishing", "Extinguishing: pressure detector triggered"),
    (147, "fire.supervisory", "Extinguishing: start blocked"),
    (138, "fault", "Launch failed"),
    (142, "bypass", "Extinguishing: automatic mode off"),
    (3, "intrusion.alarm", "Intrusion alarm"),
    (118, "intrusion.alarm", "Intrusion alarm: input"),
    (27, "intrusion.alarm", "Door broken open"),
    (58, "panic.silent", "Silent alarm"),
    (79, "flood.alarm", "Water leak"),
    (36, "tech.alarm", "Technical input violated"),
    (38, "tech.alarm", "Second technical input violated"),
    (75, "tech.alarm", "Level dangerously high"),
    (77, "tech.alarm", "Level dangerously low"),
    (71, "tech.alarm", "Level low"),
    (74, "tech.alarm", "Level high"),
    (76, "tech.alarm", "Temperature high"),
    (206, "tech.alarm", "Temperature low"),
    (112, "bypass", "Zone disabled"),
    (114, "bypass", "Output disabled"),
    (192, "bypass", "Output voltage switched off"),
    (149, "tamper", "Housing opened"),
    (164, "tamper", "Sabotage"),
    (252, "tamper", "Device replaced by another"),
    (119, "zone.open", "Zone open while disarmed"),
    (15, "zone.open", "Door open"),
    (41, "fault", "Equipment fault"),
    (45, "fault", "Input line broken"),
    (214, "fault", "Input line shorted"),
    (165, "fault", "Input parameters wrong"),
    (46, "fault", "Detector loop broken"),
    (215, "fault", "Detector loop shorted"),
    (222, "fault", "Detector loop voltage high"),
    (224, "fault", "Device answers wrongly on the detector loop"),
    (225, "fault", "Device answers unsteadily on the detector loop"),
    (82, "fault", "Thermometer fault"),
    (90, "fault", "Telephone line fault"),
    (121, "fault", "Output line broken"),
    (122, "fault", "Output line shorted"),
    (155, "fault", "Actuator failed"),
    (156, "fault", "Actuator error"),
    (135, "fault", "Self-test error"),
    (204, "fault", "Maintenance required"),
    (4, "fault", "Interference"),
    (42, "fault", "Unknown device"),
    (221, "fault", "Extinguishing: pressure detector failed"),
    (187, "comm.loss", "Detector not heard by the panel"),
    (126, "comm.loss", "Output not heard by the panel"),
    (189, "comm.loss", "Detector loop 1 not heard"),
    (190, "comm.loss", "Detector loop 2 not heard"),
    (250, "comm.loss", "Device not heard by the panel"),
    (217, "comm.loss", "RS-485 branch disconnected"),
    (2, "mains.loss", "Mains lost"),
    (202, "battery.low", "Battery failed"),
    (211, "battery.low", "Battery low"),
    (212, "battery.low", "Reserve battery low"),
    (186, "battery.low", "Battery to be replaced"),
    (205, "battery.low", "Battery test failed"),
    (194, "fault", "Power supply overload"),
    (196, "fault", "Charger fault"),
    (198, "fault", "Power supply fault"),
    (20, "test", "Test mode"),
)

# code, what it ends; the first one is what it is called by when none of them is known to stand
_ENDS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (10, (9,)),
    (143, (141, 137, 146)),
    (151, (150,)),
    (148, (142,)),
    (31, (15, 27)),
    (80, (79,)),
    (35, (36, 38)),
    (72, (71, 74, 75, 77)),
    (78, (76, 206)),
    (111, (112,)),
    (113, (114,)),
    (193, (192,)),
    (152, (149,)),
    (117, (119,)),
    (39, (41,)),
    (47, (46, 215, 222)),
    (83, (82,)),
    (91, (90,)),
    (123, (121, 122)),
    (153, (155, 156)),
    (6, (4,)),
    (188, (187,)),
    (127, (126,)),
    (191, (189,)),
    (201, (190,)),
    (251, (250,)),
    (218, (217,)),
    (1, (2,)),
    (200, (202, 211, 186, 205)),
    (213, (212,)),
    (195, (194,)),
    (197, (196,)),
    (199, (198,)),
    (21, (20,)),
)

# code, class, name: said once, nothing stays after it
_ONCE: tuple[tuple[int, str, str], ...] = (
    (18, "duress", "Duress code used"),
    (237, "duress", "Partition disarmed under duress"),
    (24, "arm", "Armed: zone"),
    (241, "arm", "Armed: partition"),
    (109, "disarm", "Disarmed: zone"),
    (242, "disarm", "Disarmed: partition"),
    (17, "arm.fail", "Arming failed"),
    (23, "info", "Arming after a delay"),
    (243, "info", "Remote request to arm"),
    (244, "info", "Remote request to disarm"),
    (110, "reset", "Alarm reset on the panel"),
    (203, "reset", "Device restarted"),
    (253, "reset", "Panel restarted"),
    (19, "test", "Test"),
    (140, "test", "Manual test"),
    (14, "tamper", "Codes are being guessed"),
    (5, "info", "Sound switched off"),
    (7, "info", "Actuator switched on by hand"),
    (8, "info", "Actuator switched off by hand"),
    (22, "info", "Control restored"),
    (25, "access", "Access closed"),
    (26, "access", "Access denied"),
    (28, "access", "Access granted"),
    (29, "access", "Access forbidden"),
    (30, "access", "Access restored"),
    (32, "access", "Passage"),
    (33, "access", "Door blocked"),
    (34, "access", "Identification"),
    (219, "access", "Access opened"),
    (61, "info", "Configuration reset"),
    (62, "info", "Configuration changed"),
    (67, "info", "Date of the panel changed"),
    (69, "info", "Log of the panel full"),
    (70, "info", "Log of the panel overflowed"),
    (73, "info", "Time of the panel changed"),
    (84, "info", "Local programming begun"),
    (249, "info", "Local programming ended"),
    (128, "info", "Output state changed"),
    (130, "info", "Pump on"),
    (131, "info", "Pump off"),
    (154, "info", "Actuator at rest"),
    (157, "info", "Delay cancelled"),
    (158, "info", "Inner zone restored"),
    (159, "info", "Voice evacuation starts after a delay"),
    (160, "info", "Voice evacuation: delay stopped"),
    (161, "info", "Extinguishing: delay stopped"),
    (162, "info", "Delay of the start prolonged"),
    (223, "info", "Guard patrol mark"),
    (229, "info", "Start after a delay"),
    (230, "info", "Delay of the start stopped"),
    (231, "info", "Actuator stopped"),
    (232, "info", "Delay of the start prolonged"),
    (233, "info", "Delay of the start cancelled"),
    (254, "info", "A day has passed"),
    (255, "info", "An hour has passed"),
)

UNKNOWN_NAME = "Code that is in no list"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Our class and the English name of a code. `lasting`: stands until it is ended. `ends`: what it is the end of."""

    kind: str
    name: str
    lasting: bool = False
    ends: tuple[int, ...] = ()


def _table() -> dict[int, Meaning]:
    table = {code: Meaning(kind, name, lasting=True) for code, kind, name in _LASTING}
    for code, ended in _ENDS:
        table[code] = Meaning(table[ended[0]].kind, table[ended[0]].name, ends=ended)
    return table | {code: Meaning(kind, name) for code, kind, name in _ONCE}


_MEANINGS = _table()
CODES = frozenset(_MEANINGS)


def meaning(code: int) -> Meaning:
    """What a code stands for."""
    return _MEANINGS.get(code, Meaning("info", UNKNOWN_NAME))


def first_of(kind: str) -> int:
    """A lasting code of a class, for what is over without a code of its own; 0 where the class has none."""
    return next((code for code, listed, _ in _LASTING if listed == kind), 0)
