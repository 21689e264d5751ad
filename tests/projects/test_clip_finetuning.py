"""The pure parts of project 05."""

import mlx.core as mx
import numpy as np
import pytest

PROJECT = "05_CLIP_Finetuning"


@pytest.fixture
def twotower(project_module):
    return lambda module: project_module(PROJECT, f"twotower.{module}")


SIMILARITY = np.array(
    [
        [0.9, 0.5, 0.1],  # its match is first
        [0.8, 0.2, 0.7],  # its match is last
        [0.3, 0.4, 0.4],  # its match ties with another
    ]
)
RELEVANT = np.eye(3, dtype=bool)


def test_ranks_of_a_hand_made_matrix(twotower):
    assert twotower("retrieval").first_ranks(SIMILARITY, RELEVANT).tolist() == [1, 3, 2]


def test_recall_counts_ranks_up_to_k(twotower):
    recall_at = twotower("retrieval").recall_at
    ranks = np.array([1, 3, 2, 9])

    assert [recall_at(ranks, k) for k in (1, 2, 5, 9)] == [0.25, 0.5, 0.75, 1.0]


def test_any_of_several_relevant_answers_counts_and_none_is_left_out(twotower):
    relevant = np.array([[False, True, True], [False, False, False], [True, False, False]])

    assert twotower("retrieval").first_ranks(SIMILARITY, relevant).tolist() == [2, 3]


def test_metrics_go_both_ways_and_average_the_recalls(twotower):
    found = twotower("retrieval").metrics(SIMILARITY, RELEVANT, "val")

    assert found["val_image_to_text_recall_at_1"] == pytest.approx(1 / 3)
    assert found["val_image_to_text_median_rank"] == 2
    assert found["val_text_to_image_recall_at_1"] == pytest.approx(1 / 3)
    assert found["val_text_to_image_recall_at_5"] == 1
    assert found["val_mean_recall"] == pytest.approx((1 / 3 + 1 + 1 / 3 + 1) / 4)


def test_a_caption_says_the_whole_meaning(twotower):
    captions = twotower("captions")

    assert captions.caption(captions.TRAIN_TEMPLATES[0], [3, 2, 0, 1]) == (
        "a bold handwritten three, leaning left, wide"
    )


@pytest.mark.parametrize("templates", ["TRAIN_TEMPLATES", "HELD_OUT_TEMPLATES"])
def test_every_template_tells_every_meaning_apart(twotower, templates):
    captions = twotower("captions")
    known = captions.vocabulary()
    meanings = [(d, w, s, b) for d in range(10) for w in range(3) for s in range(3) for b in (0, 1)]
    for template in getattr(captions, templates):
        rows = captions.tokens([captions.caption(template, each) for each in meanings], known)

        assert len({tuple(sorted(row)) for row in rows.tolist()}) == len(meanings)


def test_held_out_templates_are_not_trained_on_and_have_unknown_words(twotower):
    captions = twotower("captions")
    texts = [captions.caption(template, [1, 1, 1, 1]) for template in captions.HELD_OUT_TEMPLATES]

    assert not set(captions.TRAIN_TEMPLATES) & set(captions.HELD_OUT_TEMPLATES)
    assert (captions.tokens(texts, captions.vocabulary()) == captions.UNKNOWN).any()


def test_texts_are_padded_cut_and_unknown_words_marked(twotower):
    captions = twotower("captions")

    row, long, empty = captions.tokens(["The zebra 3", "three " * 40, ""], ["3", "the", "three"])

    assert row.tolist() == [3, 1, 2] + [0] * 11
    assert long.tolist() == [4] * 14
    assert not empty.any()


def test_slant_weight_and_width_are_measured_as_named(twotower):
    measures = twotower("data").measures
    right = np.fliplr(np.eye(8, dtype=np.float32)).reshape(1, 64)  # "/"
    left = np.eye(8, dtype=np.float32).reshape(1, 64)  # "\"
    upright = np.zeros((8, 8), np.float32)
    upright[:, 4] = 2
    ink, slant, width = measures(np.concatenate([left, upright.reshape(1, 64), right]))

    assert slant[0] < -0.9 < slant[1] < 0.9 < slant[2]
    assert slant[1] == pytest.approx(0, abs=1e-3)
    assert ink[1] > ink[0]
    assert width[1] < width[0]


def test_the_parts_have_fixed_sizes_and_balanced_attributes(twotower):
    parts = twotower("data").load()

    assert [len(parts[name]) for name in ("train", "val", "test")] == [1197, 300, 300]
    weights = np.bincount(parts["train"].meanings[:, 1]) / 1197
    assert weights == pytest.approx([1 / 3] * 3, abs=0.01)


def test_rows_of_equal_meaning_match(twotower):
    same = twotower("losses").matches(np.array([[1, 2], [1, 3], [1, 2]]))

    assert same.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize("name", ["softmax_loss", "sigmoid_loss"])
def test_a_loss_prefers_the_right_pairs(twotower, name):
    loss = getattr(twotower("losses"), name)
    same = mx.eye(4)
    right, wrong = 8 * same - 4, 8 * mx.roll(same, 1, axis=1) - 4

    assert loss(right, same).item() < 0.1
    assert loss(wrong, same).item() > 3


def test_the_softmax_loss_of_equal_similarities_is_the_log_of_the_choices(twotower):
    loss = twotower("losses").softmax_loss(mx.zeros((5, 5)), mx.eye(5))

    assert loss.item() == pytest.approx(np.log(5), rel=1e-5)


def test_padding_does_not_change_a_text(twotower):
    towers = twotower("towers")
    model = towers.TwoTowers(10)

    short = model.texts(mx.array([[2, 3]]))
    padded = model.texts(mx.array([[2, 3, 0, 0, 0]]))

    assert np.allclose(np.array(short), np.array(padded), atol=1e-6)


def test_a_stored_model_embeds_images_or_texts_as_unit_vectors(twotower):
    from mlx.utils import tree_flatten

    captions, serving = twotower("captions"), twotower("serving")
    known = captions.vocabulary()
    model = twotower("towers").TwoTowers(len(known) + 2)
    predict = serving.predictor(dict(tree_flatten(model.parameters())), {"vocabulary": known})

    for request in ({"image": np.ones((2, 8, 8))}, {"text": ["a bold three", "zebra"]}):
        rows = predict(request)["embedding"]

        assert rows.shape == (2, 48)
        assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1], abs=1e-4)


@pytest.mark.parametrize("request_", [{}, {"image": [[0.0] * 64], "text": ["x"]}])
def test_a_request_must_have_one_of_image_and_text(twotower, request_):
    serving = twotower("serving")

    with pytest.raises(ValueError, match="one of the columns"):
        serving.embedder(None, [])(request_)


def test_ridge_finds_what_pixels_say_linearly(twotower):
    captions, data = twotower("captions"), twotower("data")
    generator = np.random.default_rng(0)
    meanings = np.stack([generator.integers(0, n, 200) for n in (10, 3, 3, 2)], axis=1)
    images = np.zeros((200, 64), np.float32)
    for place, (count, start) in enumerate(((10, 0), (3, 10), (3, 13), (2, 16))):
        images[np.arange(200), start + meanings[:, place] % count] = 1
    pictures = data.Pictures(images, meanings)
    ridge = twotower("ridge").Ridge(pictures, captions.vocabulary(), components=14, penalty=1e-3)
    shown = twotower("gallery").gallery(pictures)

    found = twotower("gallery").measure(
        ridge.similarity, shown, captions.HELD_OUT_TEMPLATES[:1], "val"
    )

    assert found["val_mean_recall"] > 0.95
