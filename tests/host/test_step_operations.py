"""What CFLD asks PyTorch for in a step: nothing that a device would have to be waited for, and nothing twice."""

from collections import Counter

import pytest
import torch
from comfy.patcher_extension import WrappersMP
from tiny_host import ksample
from torch.utils._python_dispatch import TorchDispatchMode

pytestmark = pytest.mark.usefixtures("no_gradients")


class Operations(TorchDispatchMode):
    """Counts what PyTorch is asked to do, by name."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[function.overloadpacket._qualified_op_name] += 1
        return function(*args, **(kwargs or {}))


def operations_a_call(model, positive, negative):
    """Of the U-Net's second call, when all that lasts has been prepared."""
    calls = []

    def counted(executor, *args, **kwargs):
        with Operations() as operations:
            out = executor(*args, **kwargs)
        calls.append(operations.counts)
        return out

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "count", counted)
    ksample(model, positive, negative, steps=2)
    return calls[1]


def readings(model, positive, negative):
    """Numbers that a sampling of two steps, and one of four, read from tensors."""
    counts = []
    for steps in (2, 4):
        with Operations() as operations:
            ksample(model, positive, negative, steps=steps)
        counts.append(operations.counts["aten::_local_scalar_dense"])
    return counts


def test_a_step_reads_no_number_back_from_the_device(model, encoded):
    """On a GPU each waits for all that was queued: only the host's own are left, but for a closed range."""
    ours = readings(encoded.patched(model), encoded.positive, encoded.negative)
    plain = readings(model, encoded.prompt, encoded.learnt)
    assert ours[1] - ours[0] == plain[1] - plain[0]
    closed = readings(encoded.patched(model, end_percent=0.9), encoded.positive, encoded.negative)
    assert closed[1] - closed[0] > plain[1] - plain[0], "a test that sees no reading"


@pytest.mark.parametrize("pose_guidance", [2.0, 3.0])
def test_a_call_sends_nothing_to_the_device(model, encoded, pose_guidance):
    """No index tensors, casts or numbers: on a GPU each would be a copy that waits. Additions are all there is."""
    plain = operations_a_call(model, encoded.prompt, encoded.learnt)
    ours = operations_a_call(encoded.patched(model, pose_guidance=pose_guidance), encoded.positive, encoded.negative)
    waiting = ("aten::index", "aten::_to_copy", "aten::_local_scalar_dense", "aten::nonzero", "aten::index_select")
    assert [ours[name] for name in waiting] == [plain[name] for name in waiting]
    assert ours.keys() - plain.keys() <= {"aten::add_", "aten::slice", "aten::equal"}
    assert ours["aten::equal"] == 1, "whether the context is the one before"
    products = ("aten::mm", "aten::addmm", "aten::bmm")
    assert sum(ours[name] for name in products) == sum(plain[name] for name in products), "products are not kept"


def test_products_of_keys_and_values_follow_the_context(model, encoded):
    """Two people whose contexts have one shape, in one sampling after another and in windows of one."""
    swapped = [[prompt.flip(0), options] for prompt, options in encoded.positive]
    hga = encoded.patched(model)
    first, other = (ksample(hga, positive, encoded.negative, steps=2) for positive in (encoded.positive, swapped))
    assert (first - other).abs().max() > 0.05
    assert torch.equal(ksample(hga, encoded.positive, encoded.negative, steps=2), first)
