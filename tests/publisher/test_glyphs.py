import pytest

from headwater.publisher.glyphs import GLYPHS, disc_mask, text_mask


@pytest.mark.parametrize("char", [char for char in GLYPHS if char != " "])
def test_each_glyph_has_ink_and_stays_in_its_box(char):
    mask = text_mask(char, 24)

    assert all(len(row) == mask.width for row in mask.rows)
    assert max(max(row) for row in mask.rows) == 255


def test_glyphs_differ_from_each_other():
    drawn = {b"".join(text_mask(char, 24).rows) for char in GLYPHS}

    assert len(drawn) == len(GLYPHS)


def test_a_longer_text_is_wider_and_no_higher():
    short, long = text_mask("12", 20), text_mask("1234", 20)

    assert long.width > short.width
    assert len(long.rows) == len(short.rows)


def test_shading_goes_from_background_to_foreground():
    rows = disc_mask(5).shaded(30, 200)

    assert rows[5][5] == 200
    assert rows[0][0] == 30
    assert any(30 < value < 200 for row in rows for value in row)
