from drivers.modbus.silence import Silence


def test_a_silent_unit_is_asked_less_and_less_often_but_within_four_seconds():
    silence = Silence(frozenset({1, 2}))
    silence.unanswered(1, now=0.0, cost=0.1)
    waits, now = [], 0.0
    for _ in range(4):
        wait = next(t / 10 for t in range(1000) if silence.may_ask(1, now + t / 10))
        waits.append(wait)
        now += wait
        silence.unanswered(1, now, cost=0.1)
    assert waits == [1.0, 2.0, 4.0, 4.0]


def test_many_silent_units_take_a_quarter_of_the_line_together():
    silence = Silence(frozenset(range(20)))
    for unit in range(1, 20):
        silence.unanswered(unit, now=0.0, cost=1.0)
    spent, now = 0.0, 10.0
    while now < 210.0:
        unit = next((u for u in range(1, 20) if silence.may_ask(u, now)), None)
        if unit is None:
            now += 0.1
            continue
        now, spent = now + 1.0, spent + 1.0
        silence.unanswered(unit, now, cost=1.0)
    assert 40 <= spent <= 52


def test_one_that_is_back_lets_the_others_be_asked_at_once():
    silence = Silence(frozenset({1, 2, 3}))
    for unit in (1, 2):
        for now in (0.0, 1.0, 3.0):
            silence.unanswered(unit, now, cost=1.0)
    assert not silence.may_ask(2, 3.1)
    assert silence.answered(1)
    assert silence.may_ask(2, 3.1)


def test_a_link_is_dead_when_nobody_answers():
    silence = Silence(frozenset({1, 2}))
    silence.unanswered(1, 0.0, 1.0)
    assert not silence.link_is_dead
    silence.unanswered(2, 1.0, 1.0)
    assert silence.link_is_dead


def test_units_that_never_answered_do_not_make_a_link_dead():
    silence = Silence(frozenset(range(10)))
    silence.answered(9)
    for unit in range(5):
        silence.unanswered(unit, 0.0, 1.0)
    assert not silence.link_is_dead


def test_an_answer_between_them_makes_silences_unrelated():
    silence = Silence(frozenset(range(10)))
    for unit in range(10):
        silence.answered(unit)
    silence.unanswered(0, 0.0, 1.0)
    silence.unanswered(1, 0.0, 1.0)
    silence.answered(5)
    silence.unanswered(2, 0.0, 1.0)
    assert not silence.link_is_dead
