"""How many cookies a person has eaten."""

from handlers.cookies.post_process_single import cookies_eaten_by


def test_a_person_always_eats_the_same_number() -> None:
    assert {cookies_eaten_by(4, "Ann Lee") for _ in range(20)} == {cookies_eaten_by(4, "Ann Lee")}


def test_people_eat_every_number_from_0_to_9() -> None:
    assert {cookies_eaten_by(n, "Ann Lee") for n in range(300)} == set(range(10))


def test_appetite_depends_on_the_name_too() -> None:
    assert len({cookies_eaten_by(0, f"Ann {letter}") for letter in "abcdefghij"}) > 3
