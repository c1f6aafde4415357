"""The box on the page of all layers finds what candidates() of snippets/storage.py finds."""

import pytest
from playwright.sync_api import expect

from snippets.storage import candidates

pytestmark = pytest.mark.firefox

TENSORS = [
    ("lstm.weight_ih_l0", (400, 12)),
    ("lstm.weight_hh_l1_reverse", (400, 100)),
    ("lstm.weight_hh_l1_reverse", (400, 20)),
    ("lstm.weight_hr_l0", (20, 100)),
    ("lstm.weight_hr_l0", (100, 100)),
    ("weight_ih_l0", (401, 12)),
    ("fc.weight", (100, 12)),
    ("fc.weight", (100,)),
    ("conv.weight", (8, 4, 3)),
    ("conv.weight", (8, 4, 3, 3)),
    ("conv.weight", (8, 4, 3, 3, 3)),
    ("bn.num_batches_tracked", ()),
    ("attn.in_proj_weight", (36, 12)),
    ("attn.in_proj_weight", (36, 13)),
    ("attn.bias_k", (1, 1, 12)),
    ("attn.bias_k", (1, 2, 12)),
    ("out.tail.2.1.weight", (5, 9)),
    ("pool._random_samples", (5, 3, 2)),
    ("nobody.knows", (3,)),
]


@pytest.fixture(scope="module")
def finder(browser, base_url):
    """Return the page with the box, one for all tests that stay on it."""
    page = browser.new_page()
    page.goto(f"{base_url}layers/")
    yield page
    page.close()


def found(page, text):
    """Return [(class, sizes)] that the page finds for a line."""
    page.locator(".finder input").fill(text)
    told = page.locator(".finder li").evaluate_all(
        "items => items.map(item => [item.querySelector('a').innerText, item.innerText])"
    )
    return [(name, line.split(" ", 1)[1].split(" (")[0]) for name, line in told]


def test_the_box_finds_what_the_registry_holds(finder):
    for name, shape in TENSORS:
        expected = [
            (f"nn.{layer}", ", ".join(f"{size}={n}" for size, n in sizes.items()))
            for layer, _, sizes in candidates(name, shape)
        ]
        ours = [
            (layer, sizes.removesuffix(" ()")) for layer, sizes in found(finder, f"{name} {shape}")
        ]
        assert sorted(layer for layer, _ in ours) == sorted(layer for layer, _ in expected), name
        assert all(pair in ours for pair in expected if pair[1]), name


def test_the_axes_have_their_colours(finder):
    found(finder, "fc.weight (100, 12)")
    shape = finder.locator(".finder li", has_text="nn.Linear").locator("code.shape")
    expect(shape).to_have_text("(out_features, in_features)")
    expect(shape.locator(".axis.out")).to_have_text("out_features")
    expect(shape.locator(".axis.in")).to_have_text("in_features")


@pytest.mark.parametrize(
    "text",
    [
        "lstm.weight_ih_l0 (400, 12)",
        "lstm.weight_ih_l0: torch.Size([400, 12])",
        "('lstm.weight_ih_l0', (400, 12))",
        "lstm.weight_ih_l0 float32 (400, 12)",
        "lstm.weight_ih_l0 [400, 12]",
        "lstm.weight_ih_l0 400x12",
        "lstm.weight_ih_l0  400 × 12",
        "lstm.weight_ih_l0: 400, 12",
    ],
)
def test_the_box_takes_a_line_as_it_is_printed(finder, text):
    assert found(finder, text) == [
        ("nn.LSTM", "hidden_size=100, input_size=12"),
        ("nn.RNN", "hidden_size=400, input_size=12"),
    ]


FIRST = [
    ("lstm.weight_ih_l0 (400, 12)", "LSTM", "4 times as many rows as columns is an LSTM"),
    ("encoder.rnn.weight_ih_l0 (400, 12)", "RNN", "weight_hh"),
    ("model.layers.0.self_attn.q_proj.weight (768, 768)", "Linear", "a bias of 768"),
    ("embeddings.word_embeddings.weight (30522, 768)", "Embedding", "looked up by ids"),
    ("lm_head.weight (30522, 768)", "Linear", "looked up by ids"),
    ("emb.encoder.fc.weight (12, 768)", "Linear", "looked up by ids"),  # emb is too far away
    ("conv1.weight [64, 3, 7, 7]", "Conv2d", "a BatchNorm of 64 means Conv"),
    ("conv1.weight 64x3x7x7", "Conv2d", "a BatchNorm of 64 means Conv"),
    ("decoder.up1.weight (64, 32, 2, 2)", "ConvTranspose2d", "With one of 32"),
    ("h.0.ln_1.weight (768,)", "LayerNorm", "running_mean"),
    ("layer1.0.bn1.weight 64", "BatchNorm1d", "running_mean"),
    ("gn.weight (64,)", "GroupNorm", "running_mean"),
    ("0.bias (64,)", "Linear", "Look at the weight beside it"),
    ("h.0.attn.c_attn.weight (768, 2304)", "Linear", "Hugging Face's Conv1D"),
]


def test_the_likely_class_comes_first_and_the_question_decides(finder):
    for text, first, asked in FIRST:
        assert found(finder, text)[0][0] == f"nn.{first}", text
        expect(finder.locator(".finder output")).to_contain_text(asked)
    found(finder, "bn.running_mean (64,)")  # BatchNorm or InstanceNorm: no question decides
    found(finder, "lstm.weight_hr_l0 (20, 100)")
    expect(finder.locator(".finder output")).to_have_text("")


@pytest.mark.parametrize("language", ["", "zh/"])
def test_the_box_leads_where_the_table_leads(page, base_url, language):
    page.goto(f"{base_url}{language}layers/")
    for item in page.locator(".finder li a").all():
        name = item.inner_text()
        in_table = page.locator("article td a", has=page.get_by_text(name, exact=True)).first
        assert item.evaluate("a => a.href") == in_table.evaluate("a => a.href"), name
    page.locator(".finder li a").first.click()
    expect(page).to_have_url(f"{base_url}{language}layers/lstm/")


def test_the_box_says_what_no_layer_stores(finder):
    assert found(finder, "fc.wieght (100, 12)") == []
    expect(finder.locator(".finder output")).to_contain_text("No layer")
    for half in ["fc.weight", "layers.0", "(100, 12)", "100x12", ""]:
        assert found(finder, half) == []
        expect(finder.locator(".finder output")).to_contain_text("a name and a shape")
