"""CFLD among other nodes (see `composition`): what nodes do to a conditioning, and what cannot be meant."""

import logging
from io import BytesIO

import pytest
import tiny_host
import torch
from composition import CFG, guided, guider_of, predict
from tiny_host import golden, ksample, nodes

import nodes as core

pytestmark = pytest.mark.usefixtures("no_gradients")


def test_zeroed_out_as_the_negative(model, person, figure):
    """A zero prompt without pose and appearance, whichever side of Pose Conditioning it is made on."""
    zero_out = core.ConditioningZeroOut().zero_out
    (before,), (after,) = zero_out(person.prompt), zero_out(person.positive)
    expected = predict(person.hga(model, CFG), *person.posed(person.prompt, before))
    figure(
        "ConditioningZeroOut as the negative", predict(person.hga(model, CFG), person.positive, after), expected, 1e-5
    )


def test_averaged_into_a_text_is_said(model, person, text, caplog):
    (average,) = core.ConditioningAverage().addWeighted(text, person.prompt, 0.5)
    with caplog.at_level(logging.WARNING, "cfld"):
        predict(person.hga(model), average, text)
    assert "Conditioning (Average) keeps what its input 'conditioning_to' is" in caplog.text


def test_concatenated_with_more_of_the_person(model, person, rows, figure):
    (twice,) = core.ConditioningConcat().concat(person.positive, person.prompt)
    figure("ConditioningConcat of a person", predict(person.hga(model), twice, person.negative), guided(rows), 1e-5)


def test_saved_to_a_file_and_loaded(model, person, rows, figure):
    file = BytesIO()
    torch.save([person.positive, person.negative], file)
    file.seek(0)
    positive, negative = torch.load(file, weights_only=False)
    figure("conditioning saved with torch.save", predict(person.hga(model), positive, negative), guided(rows), 1e-5)


def test_conditioning_without_hga_apply_names_the_missing_node(model, person):
    with pytest.raises(ValueError, match="Pose Conditioning: the sampler's model has no HGA Apply"):
        predict(model, person.positive, person.negative)
    with pytest.raises(ValueError, match="CFLD Guider: input 'model' has no HGA Apply"):
        guider_of(model, person)


def test_a_pose_on_one_side_is_said(model, person, caplog):
    with pytest.raises(ValueError, match="the pose is in the negative conditioning alone"):
        predict(person.hga(model), person.prompt, person.positive)
    with caplog.at_level(logging.WARNING, "cfld"):
        predict(person.hga(model), person.positive, person.learnt)
    assert "the sampler's negative did not pass through the node" in caplog.text


def test_one_appearance_serves_all_and_too_few_are_said(model, person, encoded):
    both = ksample(person.hga(model, CFG), encoded.positive, encoded.negative, CFG, 1)
    first = ksample(encoded.patched(model), encoded.positive, encoded.negative, CFG, 1)
    assert (both[:1] - first[:1]).abs().max() < 1e-5
    three = nodes.CFLDPromptEncoder.execute(encoded.cfld, tiny_host.source_pictures()[[0, 1, 0]], "stretch").result
    with pytest.raises(ValueError, match="'appearance' has 2 source people, and the conditioning 3"):
        ksample(
            encoded.patched(model), three[0], three[1], CFG, 1, start=golden.input_tensor("noise.3", (3, 4, 32, 32))
        )
