from drivers.modbus.silence import Silence


def heard(*units: int) -> Silence:
    silence = Silence()
    for unit in units:
        silence.answered(unit)
    return silence


def test_a_unit_is_silent_until_it_answers():
    silence = heard(1)
    silence.unanswered(1)
    assert silence.is_silent(1)
    assert silence.answered(1)
    assert not silence.is_silent(1)
    assert not silence.answered(1)


def test_three_units_that_fall_silent_together_are_sudden():
    silence = heard(1, 2, 3, 4)
    for unit in (1, 2, 2):
        silence.unanswered(unit)
        assert not silence.is_sudden
    silence.unanswered(3)
    assert silence.is_sudden


def test_units_that_never_answered_do_not_count():
    silence = heard(9)
    for unit in range(5):
        silence.unanswered(unit)
    assert not silence.is_sudden


def test_an_answer_between_them_makes_silences_unrelated():
    silence = heard(1, 2, 3, 5)
    silence.unanswered(1)
    silence.unanswered(2)
    silence.answered(5)
    silence.unanswered(3)
    assert not silence.is_sudden
