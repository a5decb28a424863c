"""Words as people type them: every form finds every other, ё and case do not matter, days and hours are days."""

from __future__ import annotations

import pytest

from appliance import stems

FORMS = (
    "стойка стойку стойки стойке стойкой стоек", "открыта открыли открывалась открытие открыт открыл",
    "замена замены замене замену заменой", "запись записи записей записью записями", "подпись подписи",
    "Пётр Петра Петру ПЕТР", "Орлов Орлова Орлову Орловым", "Иванова Иванов Ивановой Иванову",
    "корректировка корректировки корректировку", "память памяти", "проверка проверки проверок", "кабель кабеля кабели",
    "аудитория аудиторию аудиторий", "флешка флешку флешек", "сеть сети сетью", "Анна Анны Анне Анну Анной",
    "Юлия Юлии Юлию Юлией", "сгорел сгорела сгореть сгоревшего", "смотрел смотреть смотрели", "вынул вынула вынуть",
    "снял сняли снять снята", "ушёл ушла ушли", "принёс принесла принесли", "пароль паролем", "camera cameras",
    "open opened opening opens",
)  # fmt: skip


@pytest.mark.parametrize("forms", FORMS, ids=lambda forms: forms.split()[0])
def test_the_forms_of_a_word_are_one_word(forms: str) -> None:
    assert len({stem for word in forms.split() for stem in stems.of(word)}) == 1


def test_different_words_stay_different() -> None:
    words = "стойка дверь камера кабель замена запись проверка коридор пожар пароль штаб карта"
    assert len(set(stems.of(words))) == 12


@pytest.mark.parametrize(
    "typed", ["22.11.2026", "22.11.26", "2026-11-22", "22 ноября 2026", "22 Nov 2026", "22 НОЯБРЯ 2026"]
)
def test_a_day_is_found_however_it_is_typed(typed: str) -> None:
    assert stems.asked(typed) == [("zqd20261122", ""), ("zqm1122", "")]


@pytest.mark.parametrize(
    ("typed", "terms"),
    [("22.11", ["zqm1122"]), ("9:05", ["zqt0905"]), ("09:05:41", ["zqt0905"]), ("0001", ["0001"]),
     ("5 маркеров", ["5", "маркер"]), ("40.13", ["40", "13"]), ("31.02.2026", ["31", "02", "2026"]),
     ("192.168.7.24", ["192", "168", "7", "24"]), ("—", []), ("3 мая", ["zqm0503"])],
)  # fmt: skip
def test_figures_are_what_they_look_like(typed: str, terms: list[str]) -> None:
    assert [term for term, _ in stems.asked(typed)] == terms


def test_only_the_last_word_may_be_unfinished() -> None:
    assert stems.asked("открыли стойк") == [("откр", ""), ("стойк", "стойк")]
    assert stems.asked("открыли стойку ") == [("откр", ""), ("стойк", "")]


def test_no_stem_says_next_to_nothing_and_yo_is_ye_while_typing() -> None:
    assert {len(stem) for stem in stems.of("Иванова Иванов Ивановой")} == {stems.SHORTEST}
    assert stems.asked("Пёт")[-1][1] == "пет"


def test_a_question_has_an_end() -> None:
    assert len(stems.asked("слово " * 500)) == stems.LONGEST_ASKED
