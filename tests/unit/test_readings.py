import numpy as np
import pytest

from hub import GOOD, LOST, Flag, ReadingBatch, Stamp, Validity, quality


def test_quality_word_fits_int2_and_keeps_its_parts_apart():
    worst = quality(Validity.INVALID, ~Flag.NONE, Stamp.UNSYNCED)
    assert worst < 2**15
    assert GOOD == 0
    assert LOST == Validity.INVALID | Flag.COMM_LOST


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        ReadingBatch(
            np.zeros(2, np.uint32), np.zeros(2, np.int64), np.zeros(1), np.zeros(2, np.uint16)
        )
