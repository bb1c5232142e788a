"""Guidance types are the authors' formulas, and a row that cancels is not computed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfld_modules import guidance
from cfld_modules.guidance import GUIDANCE_TYPES, ROWS, SCALES_OF, Difference, Row, as_cfg_and_terms, row_weights

# docs/method.md, section 8, written out. Rows and scales by their names there.
FORMULAS = {
    "uc_full": lambda r, s: r["uc"] + s["full"] * (r["full"] - r["uc"]),
    "updown_full": lambda r, s: r["updown"] + s["full"] * (r["full"] - r["updown"]),
    "down_full": lambda r, s: r["down"] + s["full"] * (r["full"] - r["down"]),
    "uc_down_full": lambda r, s: r["uc"] + s["down"] * (r["down"] - r["uc"]) + s["full"] * (r["full"] - r["down"]),
    "uc_down_updown_cdown": lambda r, s: (
        r["uc"] + s["down"] * (r["down"] - r["uc"]) + s["all"] * (r["updown"] - r["down"])
        + s["guidance"] * (r["cdown"] - r["down"])
    ),
    "uc_down_updown_full": lambda r, s: (
        r["uc"] + s["down"] * (r["down"] - r["uc"]) + s["all"] * (r["updown"] - r["down"])
        + s["full"] * (r["full"] - r["updown"])
    ),
}  # fmt: skip
ALL_SCALES = ("guidance", "down", "all", "full")

scales = st.fixed_dictionaries({name: st.integers(-40, 40).map(lambda n: n / 8) for name in ALL_SCALES})  # exact sums
rows = st.fixed_dictionaries({name: st.integers(-1000, 1000) for name in ROWS})


def test_every_type_is_there_with_the_papers_first() -> None:
    assert set(GUIDANCE_TYPES) == set(FORMULAS) == set(SCALES_OF)
    assert GUIDANCE_TYPES[0] == "uc_down_full"


@pytest.mark.parametrize("guidance_type", GUIDANCE_TYPES)
@given(rows=rows, scales=scales)
def test_the_weighted_sum_is_the_authors_formula(guidance_type: str, rows: dict, scales: dict) -> None:
    weights = row_weights(guidance_type, scales)
    assert sum(weight * rows[row] for row, weight in weights.items()) == FORMULAS[guidance_type](rows, scales)


@pytest.mark.parametrize("guidance_type", GUIDANCE_TYPES)
@given(scales=scales)
def test_weights_sum_to_one_and_none_is_zero(guidance_type: str, scales: dict) -> None:
    weights = row_weights(guidance_type, scales)
    assert sum(weights.values()) == 1
    assert 0 not in weights.values()


@pytest.mark.parametrize("guidance_type", GUIDANCE_TYPES)
@given(scales=scales)
def test_only_the_scales_that_are_announced_are_read(guidance_type: str, scales: dict) -> None:
    read = {name: scales[name] for name in SCALES_OF[guidance_type]}
    assert row_weights(guidance_type, read) == row_weights(guidance_type, scales)


@pytest.mark.parametrize(
    ("guidance_type", "given_scales", "expected"),
    [
        ("uc_down_full", {"down": 2.0, "full": 2.0}, {"uc": -1.0, "full": 2.0}),
        ("uc_down_full", {"down": 1.5, "full": 2.0}, {"uc": -0.5, "down": -0.5, "full": 2.0}),
        ("uc_down_full", {"down": 1.0, "full": 1.0}, {"full": 1.0}),
        ("uc_down_full", {"down": 0.0, "full": 0.0}, {"uc": 1.0}),
        ("uc_full", {"full": 1.0}, {"full": 1.0}),
        ("down_full", {"full": 0.0}, {"down": 1.0}),
        ("uc_down_updown_full", {"down": 2.0, "all": 2.0, "full": 2.0}, {"uc": -1.0, "full": 2.0}),
        ("uc_down_updown_cdown", {"down": 2.0, "all": 1.0, "guidance": 1.0}, {"uc": -1.0, "updown": 1.0, "cdown": 1.0}),
    ],
)
def test_rows_that_cancel_are_left_out(guidance_type: str, given_scales: dict, expected: dict) -> None:
    assert row_weights(guidance_type, given_scales) == expected


def test_rows_are_given_what_the_authors_give_them() -> None:
    """docs/method.md, section 8: (context, pose, appearance)."""
    assert ROWS == {
        "uc": Row(False, False, False),
        "down": Row(False, True, False),
        "updown": Row(False, True, True),
        "cdown": Row(True, True, False),
        "full": Row(True, True, True),
        "c": Row(True, False, False),
    }


@pytest.mark.parametrize("guidance_type", GUIDANCE_TYPES)
@given(rows=rows, scales=scales)
def test_a_samplers_cfg_and_the_terms_are_the_same_sum(guidance_type: str, rows: dict, scales: dict) -> None:
    host = as_cfg_and_terms(guidance_type, scales)
    guided = rows[host.uncond] + host.cfg * (rows[host.cond] - rows[host.uncond])
    guided += sum(term.weight(host.cfg) * (rows[term.plus] - rows[term.minus]) for term in host.terms)
    assert guided == FORMULAS[guidance_type](rows, scales)


def test_a_type_that_is_not_in_the_table_is_an_error() -> None:
    for function in (row_weights, as_cfg_and_terms):
        with pytest.raises(ValueError, match="guidance type 'uc_down' is none of uc_down_full, uc_full"):
            function("uc_down", {"down": 2.0, "all": 2.0, "guidance": 2.0, "full": 2.0})


def test_a_seventh_type_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pose and prompt, then the appearance."""
    differences = (Difference("down", "cdown", "uc"), Difference("full", "full", "cdown"))
    monkeypatch.setitem(guidance.GUIDANCE, "uc_cdown_full", differences)
    scales, rows = {"down": 2.0, "full": 3.0}, {"uc": 1.0, "cdown": 10.0, "full": 100.0}
    expected = rows["uc"] + 2.0 * (rows["cdown"] - rows["uc"]) + 3.0 * (rows["full"] - rows["cdown"])
    weights, host = row_weights("uc_cdown_full", scales), as_cfg_and_terms("uc_cdown_full", scales)
    assert sum(weight * rows[row] for row, weight in weights.items()) == expected
    assert rows["uc"] + host.cfg * (rows[host.cond] - rows[host.uncond]) + sum(
        term.weight(host.cfg) * (rows[term.plus] - rows[term.minus]) for term in host.terms
    ) == expected
