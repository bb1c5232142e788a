"""CFLD among other nodes (see `composition`): other guidance, and cfg that is not one number."""

import comfy.samplers
import pytest
from comfy.patcher_extension import WrappersMP
from comfy_extras import nodes_apg, nodes_fresca, nodes_nag, nodes_pag, nodes_sag, nodes_tcfg
from composition import CFG, POSE_SCALE, guide, guided, guider_of, predict

pytestmark = pytest.mark.usefixtures("no_gradients")


AFTER_CFG = {
    "PAG": lambda model: nodes_pag.PerturbedAttentionGuidance.execute(model, 3.0).result[0],
    "SAG": lambda model: nodes_sag.SelfAttentionGuidance.execute(model, 0.5, 2.0).result[0],
}
BEFORE_CFG = {
    "TCFG": lambda model: nodes_tcfg.TCFG.execute(model).result[0],
    "APG": lambda model: nodes_apg.APG.execute(model, 1.0, 5.0, 0.0).result[0],
    "FreSca": lambda model: nodes_fresca.FreSca.execute(model, 1.0, 1.25, 3).result[0],
    "NAG": lambda model: nodes_nag.NAGuidance.execute(model, 5.0, 0.5, 1.5).result[0],
}


@pytest.mark.parametrize("name", AFTER_CFG | BEFORE_CFG)
def test_other_guidance_at_unequal_scales(model, person, rows, figure, name):
    """It changes what it changes at equal scales, where the pose's term is nothing."""
    other = (AFTER_CFG | BEFORE_CFG)[name]
    equal, unequal = (
        predict(other(person.hga(model, scale)), person.positive, person.negative) for scale in (CFG, POSE_SCALE)
    )
    assert (unequal - guided(rows)).abs().max() > 0.01
    figure(f"{name} at unequal scales", unequal - equal, guided(rows) - guided(rows | {"down": rows["uc"]}), 1e-5)


@pytest.mark.parametrize("name", AFTER_CFG | BEFORE_CFG)
def test_other_guidance_under_the_guider(model, person, figure, name):
    other = (AFTER_CFG | BEFORE_CFG)[name](person.hga(model))
    sampled = predict(other, person.positive, person.negative)
    figure(f"{name} under CFLD Guider", guide(guider_of(other, person)), sampled, 1e-5)


class Scheduled(comfy.samplers.CFGGuider):
    """As other packs' guiders do it: a list of scales, one of which is a step's."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        return comfy.samplers.sampling_function(
            self.inner_model,
            x,
            timestep,
            self.conds["negative"],
            self.conds["positive"],
            self.cfg[0],
            model_options=model_options,
            seed=seed,
        )


def overridden(model, cfg):
    def override(executor, *args):
        guider = executor.class_obj
        saved, guider.cfg = guider.cfg, cfg
        try:
            return executor(*args)
        finally:
            guider.cfg = saved

    model = model.clone()
    model.add_wrapper(WrappersMP.PREDICT_NOISE, override)
    return model


@pytest.mark.parametrize("cfg", [0.0, 1.0, POSE_SCALE, 4.0])
def test_cfg_override_before_and_after(model, person, rows, figure, cfg):
    for place, patched in (
        ("before", person.hga(overridden(model, cfg))),
        ("after", overridden(person.hga(model), cfg)),
    ):
        result = predict(patched, person.positive, person.negative, 2.5)
        figure(f"cfg overridden to {cfg:g}, {place} HGA", result, guided(rows, cfg), 1e-5)


@pytest.mark.parametrize("cfg", [0.0, 1.0, CFG, POSE_SCALE])
def test_cfg_given_as_a_list_is_read_step_by_step(model, person, rows, figure, cfg):
    guider = Scheduled(person.hga(model))
    guider.set_conds(person.positive, person.negative)
    guider.set_cfg([cfg, 7.0])
    figure(f"cfg from a list, {cfg:g}", guide(guider), guided(rows, cfg), 1e-5)
