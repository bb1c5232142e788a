"""The pose that a detector sees in a result against the one asked for, and scores against exact silhouettes."""

import pickle

import numpy as np
import pytest
from PIL import Image

from cfld_modules.data.pairs import Pairs, PhotographFile
from cfld_modules.evaluation.ground_truth import galleries, score_against_truth
from cfld_modules.evaluation.judge import Judgement, judge_picture
from cfld_modules.poses.detection.detector import Detector, People
from cfld_modules.poses.keypoints import Pose

POSE = np.array([
    (88, 40), (88, 60), (70, 62), (62, 92), (58, 120), (106, 62), (114, 92), (118, 120), (78, 130), (76, 175),
    (75, 220), (98, 130), (100, 175), (101, 220), (84, 36), (92, 36), (80, 38), (96, 38),
], float)  # fmt: skip


class Seeing(Detector):
    """Sees the same people in every picture."""

    def __init__(self, *people):
        super().__init__()
        self.people = people

    def find_people(self, picture, check=lambda: None):
        return People([Pose(np.array(points, float), picture.shape[1], picture.shape[0]) for points in self.people])


def judged(*seen, asked=POSE, size=(176, 256)):
    return judge_picture(Seeing(*seen), np.zeros((size[1], size[0], 3), np.uint8), Pose(asked, 176, 256))


def test_the_pose_asked_for_scores_one_at_any_size():
    assert judged(POSE) == Judgement(True, 1.0, 1.0)
    assert judged(POSE / 2, size=(88, 128)) == Judgement(True, 1.0, 1.0)


def test_a_point_beyond_a_tenth_of_the_torso_is_wrong():
    """The torso is 70 pixels long, from the neck to the middle of the hips; the head 22.4, half of which is more."""
    near, far = POSE.copy(), POSE.copy()
    near[4] += (6.9, 0)
    far[4] += (7.1, 0)
    assert judged(near).pck == 1.0
    assert judged(far).pck == pytest.approx(17 / 18)
    assert judged(far).pckh == 1.0


def test_a_point_that_is_not_seen_is_wrong_and_one_not_asked_for_is_not_counted():
    unseen, hidden = POSE.copy(), POSE.copy()
    unseen[7] = np.nan
    hidden[[4, 7]] = np.nan
    assert judged(unseen).pck == pytest.approx(17 / 18)
    assert judged(POSE + (0, 0), asked=hidden).pck == 1.0
    assert judged(unseen, asked=hidden).pck == 1.0


def test_a_result_without_a_person_scores_zero():
    assert judged() == Judgement(False, 0.0, 0.0)


def test_without_hips_there_is_no_pck_and_without_a_face_no_pckh():
    no_hips, no_face = POSE.copy(), POSE.copy()
    no_hips[[8, 11]] = np.nan
    no_face[[0, 14, 15, 16, 17]] = np.nan
    assert np.isnan(judged(POSE, asked=no_hips).pck)
    faceless = judged(POSE, asked=no_face)
    assert np.isnan(faceless.pckh) and faceless.pck == 1


def test_of_several_people_the_nearest_is_judged():
    assert judged(POSE + 40.0, POSE).pck == 1.0


@pytest.fixture
def two_people(tmp_path):
    """Two coloured boxes for people in one pose, with silhouettes; and the first in another pose, as source."""
    photographs = []
    for folder in ("test_highres", "test_silhouettes"):
        (tmp_path / folder).mkdir()
    red, blue = (200, 40, 40), (40, 40, 200)
    for name, colour in (("person1_pose1", red), ("person2_pose1", blue), ("person1_pose2", red)):
        picture = np.full((256, 176, 3), 230, np.uint8)
        mask = np.zeros((256, 176), np.uint8)
        mask[30:225, 55:122] = 255
        picture[mask > 0] = colour
        picture[60:200:6, 60:116] = 20  # something to be sharp
        file = tmp_path / "test_highres" / f"{name}.png"
        Image.fromarray(picture).save(file)
        Image.fromarray(mask).save(tmp_path / "test_silhouettes" / f"{name}.png")
        photographs.append(PhotographFile(file.name, file, Pose(POSE, 176, 256)))
    return Pairs(photographs, [(2, 0)])


def test_the_truth_is_retrieved_and_another_person_in_its_pose_is_not(two_people):
    first, second, _ = two_people.photographs
    people = galleries([first, second], two_people.photographs)["pose1.png"]
    assert people == [first, second]
    right = score_against_truth(first.picture(), first.picture(), first, people, "pad")
    wrong = score_against_truth(second.picture(), first.picture(), first, people, "pad")
    assert right.retrieved and not wrong.retrieved
    assert right.silhouette_iou == right.silhouette_iou_of_truth > 0.99
    assert right.sharpness == pytest.approx(1)


def test_a_photograph_of_another_process_is_equal_so_its_features_are_computed_once(two_people):
    """Results are measured in other processes, which get the gallery anew with each."""
    photographs = two_people.photographs
    assert pickle.loads(pickle.dumps(photographs)) == photographs
    assert set(pickle.loads(pickle.dumps(photographs))) == set(photographs)


def test_a_blurred_result_is_less_sharp_and_a_moved_one_has_another_outline(two_people):
    target = two_people.photographs[0]
    truth = target.picture()
    blurred = np.array(Image.fromarray(truth).resize((22, 32)).resize((176, 256)))
    moved = np.roll(truth, 40, axis=1)
    assert score_against_truth(blurred, truth, target, [target], "pad").sharpness < 0.8
    assert score_against_truth(moved, truth, target, [target], "pad").silhouette_iou < 0.4


def test_pictures_without_silhouettes_have_no_ground_truth(two_people, tmp_path):
    (tmp_path / "test_silhouettes" / "person1_pose1.png").unlink()
    assert not galleries([two_people.photographs[0]], two_people.photographs)
