"""How many cookies a person has eaten."""

from handlers.cookies.post_process_single import cookies_eaten_by


def test_a_person_eats_the_same_however_often_one_asks() -> None:
    assert {cookies_eaten_by(4, "Ann Lee") for _ in range(20)} == {cookies_eaten_by(4, "Ann Lee")}


def test_people_eat_from_0_to_9_and_all_of_it_happens() -> None:
    assert {cookies_eaten_by(n, "Ann Lee") for n in range(300)} == set(range(10))


def test_appetite_depends_on_the_name_too() -> None:
    assert len({cookies_eaten_by(0, f"Ann {letter}") for letter in "abcdefghij"}) > 3
