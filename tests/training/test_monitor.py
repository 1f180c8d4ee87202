"""A run that goes wrong is told so, in words, when it does; one that goes well is left in peace."""

from typing import Any

import pytest

from artmodels.training.monitor import (
    MAX_WITHOUT_PROGRESS,
    is_best,
    spoiled_by_finish,
    summary,
    warnings_of,
)

HEADS = 4


def judged(images: int, **figures) -> dict:
    """A checkpoint's record in good health, save for what is given."""
    styles = {
        style: {"kernel_distance": 0.1, "variety": figures.pop("variety", 0.9)} for style in ("engraving", "ukiyo-e")
    }
    good: dict[str, Any] = {"kernel_distance": 1 / images, "recall": 0.4, "recall_floor": 0.7}
    good |= {"memorisation_ratio": 1.0}
    good |= {"memorisation_ratio_nearest": 1.0, "styles": styles}
    steps = {"discriminator_loss": figures.pop("discriminator_loss", 5.0)}
    heart = {"known_by_heart": figures.pop("known_by_heart", 0.1)}
    return {"images": images, **steps, **heart, "evaluation": good | figures, "warnings": []}


def healthy(count: int) -> list[dict]:
    return [judged(1000 * number) for number in range(1, count + 1)]


def test_a_healthy_run_is_left_in_peace():
    for count in range(1, 2 * MAX_WITHOUT_PROGRESS):
        assert warnings_of(healthy(count), HEADS) == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"recall": 0.01}, ("Collapse", "--adversarial-share", "model/")),
        ({"variety": 0.4}, ("engraving look alike", "--adversarial-share")),
        ({"memorisation_ratio": 0.5}, ("Memorisation", "before publishing")),
        ({"memorisation_ratio_nearest": 0.3}, ("Memorisation",)),
        ({"discriminator_loss": 0.2}, ("saturated", "--heads-learning-rate")),
        ({"known_by_heart": 0.9}, ("by heart", "Add pictures")),
    ],
)
def test_trouble_is_named_when_it_begins_and_not_after_it_ends(figures, words):
    history = [*healthy(4), judged(5000, **figures)]
    found = warnings_of(history, HEADS)
    assert found and all(word in found[0] for word in words)
    assert warnings_of([*history, judged(6000)], HEADS) == []


@pytest.mark.parametrize("figures", [{"recall": 0.0}, {"variety": 0.4}])
def test_a_run_that_has_only_begun_is_no_collapse(figures):
    low = [judged(1000 * number, **figures) for number in range(1, 6)]
    assert [bool(warnings_of(low[:count], HEADS)) for count in range(1, 6)] == [False, False, False, True, True]


def test_few_training_pictures_reach_few_others_and_that_is_no_collapse():
    one = {"frechet": 1.0, "kernel": 0.1}
    overall: dict[str, Any] = {f"{name}_distance": value for name, value in one.items()}
    overall |= {"frechet_floor": 1.0, "kernel_floor": 0.0, "precision": 0.7, "precision_floor": 0.7}
    overall |= {"recall": 0.01, "recall_floor": 0.7, "memorisation": None, "samples": 1000, "test_pictures": 808}
    overall |= {"sliced_wasserstein": {"16": 1.0}, "sliced_wasserstein_floor": {"16": 1.0}}
    outside = {"frechet_distance": 2.0, "frechet_floor": 1.0}
    for count, told in ((45, False), (807, False), (808, True), (1000, True)):
        figures = {"overall": {**overall, "floor_pictures": count}, "styles": {}, "outside": outside}
        found = summary(figures)
        biased = {"frechet_floor", "sliced_wasserstein_floor"} & (found.keys() | found["outside"].keys())
        assert bool(biased) == ("frechet_floor" in found["outside"]) == (count >= 1000) and "kernel_floor" in found
        assert found["recall"] == 0.01 and ("recall_floor" in found) == ("precision_floor" in found) == told
        history = [{"images": 1000 * number, "evaluation": found, "warnings": []} for number in range(1, 5)]
        assert any("Collapse" in words for words in warnings_of(history, HEADS)) == told


def test_collapse_is_told_by_the_seeds_of_several_styles_before_any_evaluation():
    def looked(*readings: float) -> list[dict]:
        return [{"images": 100 * n, "variety": each, "discriminator_loss": 4.0} for n, each in enumerate(readings)]

    (words,) = warnings_of(looked(0.9, 0.5, 0.6, 0.55), HEADS)
    assert "Collapse begins" in words and "--adversarial-share" in words
    assert warnings_of(looked(0.5, 0.5), HEADS) == []
    assert warnings_of(looked(0.5, 0.5, 0.9), HEADS) == []  # chance in one style
    assert warnings_of(looked(0.5, 0.5, 0.5, 0.8, 0.8), HEADS) == []


def test_what_an_evaluation_found_holds_until_the_next_one():
    found = [*healthy(4), judged(5000, memorisation_ratio=0.5)]
    told = warnings_of(found, HEADS)
    assert told and warnings_of([*found, {"images": 5100, "variety": 0.9}], HEADS) == told


def test_a_run_without_progress_is_told_its_best():
    past = [judged(1000, kernel_distance=0.001), *(judged(1000 * n) for n in range(2, MAX_WITHOUT_PROGRESS + 1))]
    past = [
        past[0],
        *({**record, "evaluation": {**record["evaluation"], "kernel_distance": 0.1}} for record in past[1:]),
    ]
    assert warnings_of(past, HEADS) == []
    worse = judged(10_000, kernel_distance=0.2)
    (words,) = warnings_of([*past, worse], HEADS)
    assert "No progress since 1,000 images" in words and "learning rates" in words
    past[0]["evaluation"]["memorisation_ratio"] = 0.5  # model/ is a later one, which does not
    assert warnings_of([*past, worse], HEADS) == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({}, None),
        ({"kernel_distance": 1 / 2900}, None),  # chance
        ({"kernel_distance": 1 / 2000}, "the kernel distance rose from 0.0003 to 0.0005"),
        ({"recall": 0.35}, None),
        ({"recall": 0.2}, "recall fell from 0.40 to 0.20"),
    ],
)
def test_a_finish_that_spoils_the_average_is_told_by_the_pictures_held_out(figures, words):
    history = [*healthy(3), {"images": 3500, "generator_loss": 1.0}, judged(4000, **figures)]
    assert spoiled_by_finish(history, 3000) == words
    assert spoiled_by_finish(history, 4000) is None  # it begins only now
    assert spoiled_by_finish(history, 500) is None  # nothing was measured before it
    assert spoiled_by_finish(history[:3], 2500) is None
    assert spoiled_by_finish([], 0) is None


@pytest.mark.parametrize(("before", "now", "spoiled"), [(-0.2, -0.21, False), (-0.2, -0.19, False), (-0.2, 0.2, True)])
def test_a_kernel_distance_below_zero_is_a_good_one(before, now, spoiled):
    history = [judged(1000, kernel_distance=before), judged(2000, kernel_distance=now)]
    assert bool(spoiled_by_finish(history, 1000)) == spoiled


def test_saturation_is_the_mean_since_the_last_checkpoint_and_needs_no_evaluation():
    steps = [{"images": 1100 + n, "discriminator_loss": loss} for n, loss in enumerate((0.1, 0.3, 0.2))]
    last = {"images": 2000, "discriminator_loss": 0.2}
    assert "saturated" in warnings_of([judged(1000), *steps, last], HEADS)[0]
    steps[1]["discriminator_loss"] = 6.0
    assert warnings_of([judged(1000), *steps, last], HEADS) == []


def test_the_best_is_the_nearest_by_kernel_distance_that_does_not_memorise():
    far, near = ({"kernel_distance": distance} for distance in (0.5, 0.4))
    by_heart = {"kernel_distance": 0.1, "memorisation_ratio": 0.5}
    nearest_by_heart = {"kernel_distance": 0.1, "memorisation_ratio": 1.0, "memorisation_ratio_nearest": 0.3}
    best_of_before = {"images": 1, "kernel_distance": 0.5}  # a run that was begun before this was asked
    best, memorised = {**best_of_before, "memorises": False}, {**best_of_before, "memorises": True}
    assert is_best(far, None) and is_best(by_heart, None)
    assert is_best(near, best) and is_best(near, best_of_before) and not is_best(far, best)
    for found in (by_heart, nearest_by_heart):
        assert not is_best(found, best) and is_best(found, memorised)
    assert is_best({"kernel_distance": 0.9}, memorised)
    assert not is_best({"kernel_distance": float("nan")}, None)
