"""Prompts: words become pictures, what a prompt model learns and tells, and files of it from strangers."""

import itertools
import json
import shutil
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from helpers import assert_one_clear_line, run_here
from safetensors.torch import save_file
from sample_models import TRAINING, make_generator
from training_runs import as_if_alone

from artmodels.cli.main import main
from artmodels.data.dataset import load_dataset
from artmodels.data.split import split
from artmodels.generate.prompt import LARGEST_AMOUNT, MIXED, paint_prompt, with_reference
from artmodels.generate.recipe import Shift, read_recipes
from artmodels.generate.sampling import draw_latents, one_hot, paint, paint_rows, rows_of, to_images
from artmodels.hub.card import rewrite_card
from artmodels.hub.companions.directions import DIRECTIONS_NAME
from artmodels.hub.companions.prompt import METADATA_KEY, PROMPT_NAME, REFERENCE, load_prompt, save_prompt
from artmodels.hub.load import load_model
from artmodels.models.image_statistics import COLOUR_STATISTICS, colour_statistics, saturation
from artmodels.models.prompt import (
    MAX_PROMPT,
    MAX_VOCABULARY,
    MAX_WORD,
    PromptConfig,
    PromptModel,
    PromptNetwork,
    known_form,
    pad_words,
    split_words,
    word_numbers,
)
from artmodels.training.captions import TONES, measure_tones, picture_words, tone_thresholds, training_text
from artmodels.training.export import write_model_folder
from artmodels.training.launch import put_beside
from artmodels.training.prompt import (
    NOT_MEASURED,
    PromptExamples,
    add_prompt_reference,
    contrastive_loss,
    rank_captions,
    same_pairs,
    train_prompt_model,
)
from artmodels.training.supervised_config import prompt_train_config

STYLES = ("flow-field", "mosaic", "op-art")
CAPTIONS = {"flow-field": "strokes on paper", "mosaic": "square tiles", "op-art": "rings and waves"}
SEEDS = range(12)
MANY_WORDS = [
    "".join(letters) for letters in itertools.islice(itertools.product("abcdefgh", repeat=5), MAX_VOCABULARY + 1)
]


@pytest.fixture(scope="module")
def colourful_folder(tmp_path_factory, steered_folder):
    """The model of the tests, with directions, painting in strong colours."""
    folder = tmp_path_factory.mktemp("colourful") / "sketcher"
    folder.mkdir()
    shutil.copy(steered_folder / DIRECTIONS_NAME, folder)
    generator = make_generator()
    with torch.no_grad():
        generator.to_rgb.weight.mul_(6)
        generator.to_rgb.bias.zero_()
    write_model_folder(folder, generator, TRAINING, [])
    return folder


@pytest.fixture(scope="module")
def collection(tmp_path_factory, colourful_folder):
    """Pictures of that model, tinted at random, with a caption each."""
    folder = tmp_path_factory.mktemp("captioned")
    generator = load_model(colourful_folder).generator
    lines, tints = [], torch.Generator().manual_seed(0)
    for style, caption in CAPTIONS.items():
        latents = draw_latents(range(1000, 1060), generator.config.latent_dim)
        pictures = paint(generator, latents, one_hot(STYLES, style))
        tint = 0.2 + 0.8 * torch.rand(len(pictures), 3, 1, 1, generator=tints)
        for index, image in enumerate(to_images((pictures + 1) * tint - 1)):
            image.save(folder / f"{style}-{index}.png")
            text = f"{caption}, {style}, by a seed"
            lines.append(json.dumps({"file_name": f"{style}-{index}.png", "text": text, "style": style}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return load_dataset(folder, 32)


@pytest.fixture(scope="module")
def read_model(collection, colourful_folder, tmp_path_factory):
    """That model with a prompt model that learned for a second."""
    folder = colourful_folder
    train, held_out = split(collection, 0.2)
    dims: dict[str, Any] = {
        "feature_resolution": 32,
        "embedding_dim": 16,
        "hidden_dim": 32,
        "sight_dim": 48,
        "joint_dim": 24,
    }
    paces: dict[str, Any] = {
        "images": 7200,
        "batch_size": 60,
        "warm_up": 600,
        "checkpoint_every": 3600,
        "learning_rate": 0.015,
    }
    config = replace(prompt_train_config(), resolution=32, **dims, **paces)
    output = tmp_path_factory.mktemp("run")
    with as_if_alone():
        assert train_prompt_model(config, train, held_out, None, output)
    put_beside(output / "model" / PROMPT_NAME, folder, add_prompt_reference)
    return load_model(folder)


@pytest.fixture(scope="module")
def prompt_model(read_model) -> PromptModel:
    return load_prompt(read_model.folder, STYLES)


def small_prompt_model(words=("blue", "sea"), count: int = 3) -> PromptModel:
    torch.manual_seed(0)
    network = PromptNetwork(PromptConfig(words, STYLES, 4, 4, 4, 4, 32)).requires_grad_(False).eval()
    return PromptModel(network, NOT_MEASURED, torch.randn(count, 4).half().float(), "0" * 64)


# --- words -----------------------------------------------------------------------------------------------------------


def test_words_are_letters_in_lower_case_without_accents_and_chinese_letters_are_words():
    assert split_words("Vétheuil 1901(1), l'Été: an UKIYO-E") == ["vetheuil", "ete", "an", "ukiyo"]
    assert split_words("夜の海 at night") == ["夜", "の", "海", "at", "night"]
    assert split_words("x" * (MAX_WORD + 1)) == []
    assert split_words("№ 5, Brand™") == ["no", "brandtm"]


def test_words_of_all_letters_that_there_are_stay_what_they_are_when_split_again():
    words = split_words(" ".join(2 * chr(code) for code in range(sys.maxunicode + 1)))
    assert len(words) > 100_000 and split_words(" ".join(words)) == words
    assert PromptConfig(tuple(dict.fromkeys(words))[:MAX_VOCABULARY], ("a style",))


def flat(red: float, green: float, blue: float) -> torch.Tensor:
    """A picture of one colour, given in [0, 1]."""
    return (torch.tensor([red, green, blue], dtype=torch.float32) * 2 - 1).view(1, 3, 1, 1).expand(1, 3, 16, 16)


@pytest.mark.parametrize(
    ("colour", "said"),
    [
        ((0.8, 0.1, 0.1), {"red", "vivid", "warm"}),
        ((0.3, 0.4, 1.0), {"blue", "vivid", "cold"}),
        ((0.2, 0.7, 0.2), {"green", "vivid"}),
        ((0.36, 0.2, 0.1), {"brown", "dark"}),
        ((0.95, 0.9, 0.3), {"yellow", "bright", "vivid", "warm"}),
        ((0.5, 0.5, 0.5), {"grey", "black and white"}),
        ((0.02, 0.02, 0.02), {"black", "dark", "black and white"}),
        ((0.98, 0.98, 0.98), {"white", "bright", "pale", "black and white"}),
    ],
)
def test_a_colour_is_called_by_its_name(colour, said):
    """By the absolute thresholds, against a collection of all these colours."""
    surely = torch.tensor([tone.surely for tone in TONES])
    found = {tone.words[0] for tone, has in zip(TONES, measure_tones(flat(*colour))[0] >= surely, strict=True) if has}
    assert found == said


def test_thresholds_follow_the_collection_within_absolute_bounds():
    colourless = tone_thresholds(torch.zeros(10, len(TONES)))
    assert colourless.tolist() == pytest.approx([tone.least for tone in TONES])
    assert tone_thresholds(torch.ones(10, len(TONES))).tolist() == pytest.approx([tone.surely for tone in TONES])


def test_a_picture_without_a_caption_is_told_by_style_and_colours(collection):
    silent = replace(collection, captions=("",) * len(collection))
    measured = torch.zeros(len(collection), len(TONES))
    measured[0] = 1
    words = picture_words(silent, measured, torch.full((len(TONES),), 0.5))
    assert words[0].title == () and words[0].others == (tuple(split_words(silent.styles[silent.labels[0]])),)
    assert "blue" in words[0].measured() and words[1].measured() == [] and words[1].own_title() == []


def test_training_texts_hold_any_part_and_nothing_else(collection):
    import random

    measured = torch.ones(len(collection), len(TONES))
    words = picture_words(collection, measured, torch.full((len(TONES),), 0.5))[0]
    wordings = {word for tone in words.tones for wording in tone for word in wording}
    rng = random.Random(0)
    texts = [training_text(words, rng) for _ in range(200)]
    allowed = {*words.all(), *wordings}
    assert all(texts) and all(set(text) <= allowed for text in texts)
    assert {word for text in texts for word in text} == allowed
    assert any("by" not in text and words.title[0] in text for text in texts)
    assert any("by" in text and words.title[0] not in text for text in texts)


# --- what pictures look like, and the loss ---------------------------------------------------------------------------


def test_colour_statistics_tell_colours_and_are_smooth_everywhere():
    assert colour_statistics(flat(1, 0, 0)).shape == (1, COLOUR_STATISTICS)
    statistics = colour_statistics(torch.cat([flat(0.9, 0.1, 0.1), flat(0.1, 0.1, 0.9), flat(0.5, 0.5, 0.5)]))
    hues = statistics[:, 12:36].view(3, 12, 2).sum(dim=2)
    assert hues[0].argmax() == 0 and hues[1].argmax() == 8 and hues[2].max() < 0.01
    for picture in (flat(0, 0, 0), flat(1, 1, 1), flat(0.5, 0.5, 0.5)):
        pixels = picture.clone().requires_grad_()
        (slope,) = torch.autograd.grad(colour_statistics(pixels).sum(), pixels)
        assert torch.isfinite(slope).all()


def test_padding_changes_nothing():
    network = small_prompt_model(("blue", "sea", "night")).network
    alone = network.read(torch.tensor([[2, 1]]))
    padded = network.read(torch.tensor([[2, 1, 0, 0], [3, 1, 2, 2]]))
    for one, other in zip(alone, padded, strict=True):
        torch.testing.assert_close(one[0], other[0])
    assert alone[0].norm().item() == pytest.approx(1)


def test_pictures_with_the_same_words_are_no_negatives_for_each_other():
    words = torch.tensor([[1, 2], [1, 2], [3, 0]])
    same = same_pairs(words, torch.tensor([0, 1, 2]))
    assert same.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
    assert same_pairs(torch.tensor([[1], [2]]), torch.tensor([5, 5])).tolist() == [[False, True], [True, False]]
    # Each knows its own but for the one with the same words: only without the mask is that a mistake.
    logits = torch.tensor([[9.0, 9.0, 0.0], [9.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    styles, labels = torch.tensor([[50.0, 0.0]] * 3), torch.zeros(3, dtype=torch.long)
    assert contrastive_loss(logits, styles, labels, same) < 0.01
    assert contrastive_loss(logits, styles, labels, torch.zeros(3, 3, dtype=torch.bool)) > 0.4


def test_ranks_are_those_of_a_prompt_model_that_knows_all_and_of_one_that_knows_nothing(prompt_model, collection):
    words = picture_words(collection, torch.zeros(len(collection), len(TONES)), torch.ones(len(TONES)))
    examples = PromptExamples(
        torch.randn(1, len(words), prompt_model.network.feature_mean.numel()).half(), words, torch.zeros(1)
    )
    ranks = rank_captions(prompt_model.network, examples)
    assert set(ranks) == {"all words", "without style, subject and artist", "title alone"}
    assert 40 < ranks["all words"].double().mean() < 60  # features that say nothing: by chance


# --- a prompt ---------------------------------------------------------------------------------------------------------


def test_the_toy_prompt_model_learned_its_styles(prompt_model):
    for style, caption in CAPTIONS.items():
        weights = prompt_model.read(f"{caption}, {style.replace('-', ' ')}").style_weights
        assert max(weights, key=weights.get) == style
        assert sum(weights.values()) == pytest.approx(1)


def lead_of(channel: int):
    """How far a channel's mean lies above the mean of all."""
    return lambda pictures: pictures[:, channel].mean(dim=(1, 2)) - pictures.mean(dim=(1, 2, 3))


@pytest.mark.parametrize(
    ("prompt", "measure"),
    [
        ("vivid", saturation),
        ("blue", lead_of(2)),
        ("green", lead_of(1)),
    ],
)
def test_a_prompt_moves_what_it_names(read_model, prompt_model, prompt, measure):
    """Against the same seeds with styles in turn: Cohen's d of at least a half."""
    latents = draw_latents(SEEDS, read_model.generator.config.latent_dim)
    before = measure(paint(read_model.generator, latents, torch.eye(3)[torch.arange(len(SEEDS)) % 3], 0.8))
    after = measure(paint_prompt(read_model, prompt_model, prompt, SEEDS).pictures)
    assert (after.mean() - before.mean()) / ((after.var() + before.var()) / 2).sqrt() > 0.5


def test_refining_never_lowers_the_match_and_stays_within_bounds(read_model, prompt_model):
    chosen = paint_prompt(read_model, prompt_model, "blue tiles", range(6), steps=0)
    refined = paint_prompt(read_model, prompt_model, "blue tiles", range(6))
    vector = prompt_model.read("blue tiles").vector
    before, after = (prompt_model.see(found.pictures) @ vector for found in (chosen, refined))
    assert (after > before - 1e-3).all() and after.mean() > before.mean() + 0.01
    for recipe in refined.recipes:
        assert all(isinstance(edit, Shift) for edit in recipe.edits)
        assert sum(edit.amount**2 for edit in recipe.edits if isinstance(edit, Shift)) <= LARGEST_AMOUNT**2 + 1e-3
        assert 1 <= len(recipe.latents) <= MIXED
        assert len({latent.seed for latent in recipe.latents}) == len(recipe.latents)


def test_a_recipe_of_a_prompt_repaints_the_very_picture_without_the_prompt_model(read_model, prompt_model):
    found = paint_prompt(read_model, prompt_model, "red rings", range(3))
    for recipe, picture in zip(found.recipes, found.pictures, strict=True):
        again = paint_rows(read_model.generator, rows_of(read_model.generator, recipe, read_model.directions))
        torch.testing.assert_close(again[0], picture, atol=1e-4, rtol=0)


def test_a_seeds_picture_is_the_same_alone_among_others_and_again(read_model, prompt_model):
    together = paint_prompt(read_model, prompt_model, "blue rings", [3, 4, 5])
    alone = paint_prompt(read_model, prompt_model, "blue rings", [4])
    torch.testing.assert_close(alone.pictures[0], together.pictures[1], atol=0.01, rtol=0)
    assert alone.recipes[0].latents[0].seed == together.recipes[1].latents[0].seed
    again = paint_prompt(read_model, prompt_model, "blue rings", [3, 4, 5])
    assert again.recipes == together.recipes and again.matches == together.matches
    assert len({recipe.latents for recipe in together.recipes}) == 3


def test_a_named_style_is_painted_and_a_colour_alone_is_painted_in_several(read_model, prompt_model):
    named = paint_prompt(read_model, prompt_model, "square tiles, mosaic", range(8), steps=0).recipes
    assert all(max(recipe.style_weights, key=recipe.style_weights.get) == "mosaic" for recipe in named)
    free = paint_prompt(read_model, prompt_model, "by a seed", range(24), steps=0).recipes
    drawn = [max(recipe.style_weights, key=recipe.style_weights.get) for recipe in free]
    assert len(set(drawn)) > 1 and all(max(recipe.style_weights.values()) > 0.6 for recipe in free)


def test_matches_are_shares_of_the_models_own_pictures(read_model, prompt_model):
    found = paint_prompt(read_model, prompt_model, "dark", range(4))
    assert prompt_model.reference_sha256 == read_model.weights_sha256 and len(prompt_model.reference) > 100
    scores = prompt_model.see(found.pictures) @ found.encoded.vector
    shares = [(prompt_model.reference @ found.encoded.vector < score).double().mean().item() for score in scores]
    assert list(found.matches) == pytest.approx(shares) and min(found.matches) > 0.5
    assert with_reference(read_model, prompt_model) is prompt_model  # nothing is painted again


def test_a_prompt_model_without_a_reference_gets_one_that_is_kept(read_model, prompt_model, monkeypatch):
    bare = replace(prompt_model, reference=prompt_model.reference[:0], reference_sha256="")
    first = with_reference(read_model, bare)
    torch.testing.assert_close(
        first.reference, prompt_model.reference, atol=2e-3, rtol=0
    )  # the file's is in half precision
    monkeypatch.setattr("artmodels.generate.prompt._paint_and_see", None)
    assert torch.equal(with_reference(read_model, bare).reference, first.reference)


def test_a_model_without_directions_paints_prompts_too(prompt_model, model):
    found = paint_prompt(model, replace(prompt_model, reference_sha256=model.weights_sha256), "blue", [1, 2])
    assert all(recipe.edits == () for recipe in found.recipes)


def test_a_word_is_known_in_its_other_forms():
    known = ("storm", "sea", "flowers", "church", "red")
    forms = {word: known_form(word, known) for word in ("stormy", "storms", "seas", "flower", "churches", "reds", "as")}
    assert forms == {
        "stormy": "storm",
        "storms": "storm",
        "seas": "sea",
        "flower": "flowers",
        "churches": "church",
        "reds": "red",
        "as": None,
    }
    assert known_form("storm", known) == "storm" and known_form("story", known) is None


def test_unknown_words_are_said_to_be_unknown(prompt_model):
    encoded = prompt_model.read("blue zeppelins over a mosaic tile, zeppelins")
    assert encoded.unknown == ("zeppelins", "over") and encoded.known == ("blue", "mosaic", "tiles")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", "no word"),
        ("  1923 - !", "no word"),
        ("zeppelin quark", "zeppelin, quark; it knows, for example: flow, .*violet"),
        ("x" * (MAX_PROMPT + 1), f"at most {MAX_PROMPT} characters, found {MAX_PROMPT + 1}"),
        ("blue " * 41, "at most 40 words, found 41"),
    ],
)
def test_prompts_that_say_nothing_or_too_much_are_refused(prompt_model, prompt, expected):
    with pytest.raises(ValueError, match=expected):
        prompt_model.read(prompt)


def test_the_verb_paints_a_prompt_and_says_what_it_understood(read_model, tmp_path):
    words = ["generate", "--model", str(read_model.folder), "--seeds", "0-1", "--out", str(tmp_path), "--grid"]
    done = run_here(lambda: main([*words, "--prompt", "dark quark tiles"]))
    assert done.returncode == 0 and "never read: quark" in done.stdout and "mosaic" in done.stdout
    assert done.stdout.count("matches better than") == 2
    (recipe,) = read_recipes(tmp_path / "dark-quark-tiles-00001.png")
    assert recipe.weights_sha256 == read_model.weights_sha256
    assert len(read_recipes(tmp_path / "grid.png")) == 2
    both = run_here(lambda: main([*words, "--prompt", "dark", "--style", "mosaic"]))
    assert_one_clear_line(both, "--prompt and --style")


def test_a_model_without_a_prompt_model_says_so(model_folder, tmp_path):
    words = ["generate", "--model", str(model_folder), "--out", str(tmp_path / "none"), "--prompt", "blue"]
    assert_one_clear_line(run_here(lambda: main(words)), "reads no prompts", "--task prompt")
    assert not (tmp_path / "none").exists()


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_prompt_model_comes_back_as_it_was_saved(tmp_path):
    saved = replace(small_prompt_model(), figures={"pictures": 5, "recall": {"all words": [0.1, 0.2, 0.3]}})
    save_prompt(tmp_path, saved)
    first = (tmp_path / PROMPT_NAME).read_bytes()
    read = load_prompt(tmp_path, STYLES)
    assert read.config == saved.config and read.figures == saved.figures
    assert read.reference_sha256 == saved.reference_sha256
    torch.testing.assert_close(read.reference, saved.reference)
    for name, tensor in saved.network.state_dict().items():
        torch.testing.assert_close(read.network.state_dict()[name], tensor.half().float())
    save_prompt(tmp_path, read)
    assert (tmp_path / PROMPT_NAME).read_bytes() == first
    assert load_prompt(tmp_path / "nowhere", STYLES) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"config": {"words": MANY_WORDS}}, "8192 words"),
        ({"config": {"words": ["blue", "blue"]}}, "words must differ"),
        ({"config": {"words": ["blue", "<b>"]}}, "letters in lower case"),
        ({"config": {"words": ["blue", "x" * 41]}}, "at most 40"),
        ({"config": {"words": "blue"}}, "words must be"),
        ({"config": {"words": ["blue", "sea", "night"]}}, "embedding.weight should be"),
        ({"config": {"hidden_dim": 1025}}, "hidden_dim must be 1 to 1024"),
        ({"config": {"hidden_dim": 8}}, "should be"),
        ({"config": {"hidden_dim": "8"}}, "hidden_dim must be"),
        ({"config": {"resolution": 10**6}}, "resolution must be 32 to 256"),
        ({"config": {"colour": 1}}, "unknown fields"),
        ({"config": {"format_version": 2}}, "format 2"),
        ({"config": {"styles": ["mosaic"]}}, "not those of the model"),
        (
            {"figures": {"pictures": 1, "recall": {"all": [0.1, 2, 0.3]}}},
            r"figures.recall.all\[1\] should be less than",
        ),
        ({"figures": {"pictures": 1, "recall": {"\x1b[2J": [0, 0, 0]}}}, "should be printable"),
        ({"figures": []}, "figures should be an object"),
        ({"reference_sha256": "../../etc"}, "64 hexadecimal"),
        ({"more": 1}, "should be config, figures and reference_sha256"),
    ],
)
def test_prompt_models_of_strangers_are_checked(tmp_path, change, expected):
    prompt_model = small_prompt_model()
    told: dict[str, Any] = {
        "config": asdict(prompt_model.config),
        "figures": prompt_model.figures,
        "reference_sha256": "0" * 64,
    }
    for key, value in change.items():
        told[key] = {**told[key], **value} if key == "config" else value
    tensors = {**prompt_model.network.state_dict(), REFERENCE: prompt_model.reference}
    save_file(tensors, tmp_path / PROMPT_NAME, {METADATA_KEY: json.dumps(told)})
    with pytest.raises(ValueError, match=expected):
        load_prompt(tmp_path, STYLES)


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (lambda tensors: {**tensors, "gru.weight_hh_l0": torch.full((12, 4), torch.nan)}, "not finite"),
        (lambda tensors: {**tensors, REFERENCE: torch.zeros(5000, 4)}, "0 to 4096 rows"),
        (lambda tensors: {**tensors, REFERENCE: torch.zeros(3, 5)}, "should be"),
        (lambda tensors: {**tensors, REFERENCE: torch.zeros(())}, "0 to 4096 rows"),
        (lambda tensors: {**tensors, "surplus": torch.zeros(1)}, "surplus"),
        (lambda tensors: {name: tensors[name] for name in tensors if name != "text_out.bias"}, "lacks text_out.bias"),
        (lambda tensors: {**tensors, "surplus": torch.zeros(13 * 1024**2)}, "larger than"),
    ],
)
def test_tensors_of_strangers_are_checked(tmp_path, attack, expected):
    prompt_model = small_prompt_model()
    told: dict[str, Any] = {
        "config": asdict(prompt_model.config),
        "figures": prompt_model.figures,
        "reference_sha256": "0" * 64,
    }
    tensors = attack({**prompt_model.network.state_dict(), REFERENCE: prompt_model.reference})
    save_file(tensors, tmp_path / PROMPT_NAME, {METADATA_KEY: json.dumps(told)})
    with pytest.raises(ValueError, match=expected):
        load_prompt(tmp_path, STYLES)


@pytest.mark.parametrize("text", [None, "{", "[1]", "{}", '{"config": NaN}', "x" * 4_000_001])
def test_what_is_said_of_a_strangers_prompt_model_is_checked(tmp_path, text):
    save_file({REFERENCE: torch.zeros(1, 4)}, tmp_path / PROMPT_NAME, {METADATA_KEY: text} if text else None)
    with pytest.raises(ValueError, match="train the prompt model anew"):
        load_prompt(tmp_path, STYLES)


def test_a_card_tells_of_the_prompt_model(read_model, prompt_model):
    card = (read_model.folder / "README.md").read_text("utf-8")
    assert (
        "## Prompts" in card
        and f"reads {len(prompt_model.config.words)} words" in card
        and "knows no words" not in card
    )
    assert "by chance" not in card  # fewer than 100 pictures measure nothing
    save_prompt(
        read_model.folder, replace(prompt_model, figures={"pictures": 808, "recall": {"all words": [0.55, 0.87, 0.9]}})
    )
    rewrite_card(read_model.folder, read_model.generator, {})
    assert "| all words | 55 % | 87 % | 90 % |" in (read_model.folder / "README.md").read_text("utf-8")


def test_a_prompt_model_beside_a_model_of_other_styles_is_refused(tmp_path):
    make_generator(("indigo", "sepia")).save_pretrained(tmp_path)
    save_prompt(tmp_path, small_prompt_model())
    with pytest.raises(ValueError, match="not those of the model"):
        add_prompt_reference(tmp_path)


def test_words_are_numbered_from_one():
    assert pad_words([["sea", "dog"], ["blue", "sea"], []], word_numbers(("blue", "sea"))).tolist() == [
        [2, 0],
        [1, 2],
        [0, 0],
    ]
