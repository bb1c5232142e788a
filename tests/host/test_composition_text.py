"""CFLD among other nodes (see `composition`): text beside a person."""

import pytest
import torch
from comfy_extras import nodes_hooks
from composition import (
    CFG,
    LEFT,
    POSE_SCALE,
    RIGHT,
    Person,
    beside_text,
    guide,
    guided,
    guider_of,
    having,
    masked,
    predict,
)
from tiny_host import noise

pytestmark = pytest.mark.usefixtures("no_gradients")


HALF_AREA = {"area": (32, 16, 0, 0), "mask": torch.ones(1, 32, 32), "mask_strength": 1.0}  # left; a mask has no fuzz


def test_text_alone_on_the_model(model, person, text, rows, figure):
    figure("text rows on the HGA model, alone", predict(person.hga(model), text, text, 1.0), rows["text"], 0)


def test_text_in_a_mixed_graph(model, person, text, rows, figure):
    mixed = predict(person.hga(model, 1.0), masked(person.positive, LEFT) + masked(text, RIGHT), person.negative, 1.0)
    figure("text rows on the HGA model, in a mixed graph", mixed[..., 16:], rows["text"][..., 16:], 0)


@pytest.mark.parametrize("pose_guidance", [CFG, POSE_SCALE])
def test_a_person_by_mask_beside_text(model, person, text, rows, figure, pose_guidance):
    positive = masked(person.positive, LEFT) + masked(text, RIGHT)
    scale = "equal" if pose_guidance == CFG else "unequal"
    mixed = predict(person.hga(model, pose_guidance), positive, person.negative)
    expected = beside_text(rows, pose_guidance)
    figure(f"a person by mask beside text, {scale} scales", mixed, expected, 1e-5)


def test_a_person_by_mask_beside_text_under_the_guider(model, person, text, rows, figure):
    guider = guider_of(person.hga(model), person)
    guider.set_conds(masked(person.positive, LEFT) + masked(text, RIGHT), person.negative)
    figure("a person by mask beside text, CFLD Guider", guide(guider), beside_text(rows), 1e-5)


def test_every_type_of_guidance_leaves_text_its_own(model, person, text, rows, figure):
    """Where the unconditional row has an appearance, the negative stands in for it beside the person."""
    guider = guider_of(person.hga(model), person, "updown_full")
    guider.set_conds(masked(person.positive, LEFT) + masked(text, RIGHT), person.negative)
    figure("text beside a person, updown_full", guide(guider)[..., 16:], beside_text(rows)[..., 16:], 1e-5)


def test_a_person_by_area_beside_text(model, person, text, rows, figure):
    """Their region has their whole figure: as in a picture of that size."""
    part = {
        name: predict(person.hga(model, 1.0), entry, person.negative, 1.0, noise()[:1, ..., :16])
        for name, entry in (
            ("full", person.positive),
            ("uc", person.negative),
            ("down", person.posed(person.learnt, person.learnt)[0]),
        )
    }
    whole = predict(
        person.hga(model),
        having(person.positive, **HALF_AREA) + masked(text, RIGHT),
        having(person.negative, **HALF_AREA) + masked(person.negative, RIGHT),
    )
    expected = torch.cat([guided(part), beside_text(rows)[..., 16:]], dim=-1)
    figure("a person by area beside text, unequal scales", whole, expected, 1e-5)


def test_default_conditioning_fills_what_person_or_text_leave(model, person, text, rows, figure):
    (positive,) = nodes_hooks.ConditioningSetDefaultAndCombine().set_default_and_combine(
        masked(person.positive, LEFT), text
    )
    figure(
        "text as default conditioning", predict(person.hga(model), positive, person.negative), beside_text(rows), 1e-5
    )
    (positive,) = nodes_hooks.ConditioningSetDefaultAndCombine().set_default_and_combine(
        masked(text, RIGHT), person.positive
    )
    figure(
        "a person as default conditioning",
        predict(person.hga(model), positive, person.negative),
        beside_text(rows),
        1e-5,
    )


def test_after_the_persons_timestep_range_text_is_left_alone(model, person, text, rows, figure):
    """The person's range is over before the step, which is the sampling's last: text is left, without a pose."""
    late = having(person.positive, start_percent=0.0, end_percent=0.5) + having(
        text, start_percent=0.5, end_percent=1.0
    )
    expected = rows["uc"] + CFG * (rows["text"] - rows["uc"])
    figure("timestep ranges", predict(person.hga(model), late, person.negative), expected, 1e-5)


def test_several_people_with_a_pose_each(model, person, encoded, rows, figure):
    """Two Pose Conditioning nodes, combined by mask; one appearance serves both, which is not the matter here."""
    other = Person(encoded, 1, "front")
    second = {"uc": rows["uc"]} | {
        name: predict(person.hga(model, 1.0), entry, person.negative, 1.0)
        for name, entry in (("full", other.positive), ("down", other.posed(other.learnt, other.learnt)[0]))
    }
    both = predict(person.hga(model), masked(person.positive, LEFT) + masked(other.positive, RIGHT), person.negative)
    figure("two people by mask, a pose each", both, LEFT * guided(rows) + RIGHT * guided(second), 1e-5)


def test_a_mask_of_the_appearance_and_an_area(model, person, figure):
    """In the left half, the mask's left half counts: here all of it is black, so nobody's appearance is there."""
    area = predict(person.hga(model, 1.0, mask=RIGHT), having(person.positive, **HALF_AREA), person.negative, 1.0)
    bare = person.hga(model, 1.0, strength=1e-12)
    expected = predict(bare, person.positive, person.negative, 1.0, noise()[:1, ..., :16])
    figure("HGA's mask and ConditioningSetArea", area[..., :16], expected, 1e-5)


def test_text_as_negative_takes_the_unconditional_row(model, person, text, rows, figure):
    result = predict(person.hga(model), person.positive, text)
    figure("text as the negative, unequal scales", result, guided(rows, uncond="text"), 1e-5)
