"""Search is a front door: an error pasted whole, a Chinese phrase."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests import address_of
from tests.browser import ADDRESSES
from tests.fences import ENGLISH, fences

pytestmark = pytest.mark.firefox

# {error message shown on an English page: the addresses it is shown at}
ERRORS = {}
for path in ENGLISH:
    for block in fences(path.read_text("utf-8")):
        error = "cited" in block.classes or ("result" in block.classes and "Error: " in block.text)
        if error:
            ERRORS.setdefault(block.text.strip(), []).append(address_of(path))


# {page: what must find it first}, as people type and paste it.
FIRST = {
    "layers/lstm/": [
        "lstm.weight_ih_l0",
        "weight_hr_l0",
        "what is weight_hr_l0",
        "nn.LSTM",
        "lstm numpy",
        "LSTM gate order",
    ],
    "layers/gru/": ["nn.GRU", "gru.weight_hh_l0 (300, 100)", "gru two biases"],
    "layers/rnn/": ["nn.RNN", "rnn numpy", "elman rnn tanh"],
    "layers/linear/": ["nn.Linear", "fully connected layer numpy", "dense layer numpy"],
    "layers/bilinear/": ["nn.Bilinear"],
    "layers/embedding/": [
        "nn.Embedding",
        "embedding.weight (30522, 768)",
        "EmbeddingBag offsets",
        "padding_idx",
    ],
    "layers/conv/": [
        "torch.nn.Conv2d",
        "conv1.weight torch.Size([64, 3, 7, 7])",
        "depthwise",
        "grouped convolution",
    ],
    "layers/conv-transpose/": [
        "ConvTranspose2d",
        "conv transpose weight shape",
        "deconvolution numpy",
        "output_padding",
    ],
    "layers/fold/": ["nn.Unfold", "im2col"],
    "layers/batch-norm/": [
        "running_mean",
        "running_var torch.Size([64])",
        "num_batches_tracked",
        "what is num_batches_tracked",
        "what does num_batches_tracked mean",
        "BatchNorm2d",
        "bathcnorm",
    ],
    "layers/layer-norm/": [
        "layernorm",
        "layer nrom numpy",
        "nn.LayerNorm(768)",
        "layer norm numpy",
        "normalized_shape",
    ],
    "layers/group-norm/": ["GroupNorm num_groups"],
    "layers/instance-norm/": ["instance norm"],
    "layers/rms-norm/": ["RMSNorm", "rms norm eps"],
    "layers/local-response-norm/": ["LocalResponseNorm"],
    "layers/attention/": [
        "in_proj_weight (3E, E)",
        "in_proj_weight",
        "what is in_proj_weight",
        "nn.MultiheadAttention",
        "multi head attention numpy",
        "multihead atention",
    ],
    "layers/transformer/": [
        "TransformerEncoderLayer",
        "encoder.layers.0.linear1.weight",
        "encoder.layers.0.self_attn.in_proj_weight",
        "norm_first",
    ],
    "layers/activation/": [
        "gelu",
        "gelu tanh approximate",
        "softmax numpy",
        "LeakyReLU negative_slope",
    ],
    "layers/adaptive-softmax/": ["AdaptiveLogSoftmaxWithLoss"],
    "layers/distance/": ["CosineSimilarity", "cosine similarity numpy"],
    "layers/pooling/": ["MaxPool2d", "max pooling numpy", "ceil_mode", "AdaptiveAvgPool2d"],
    "layers/padding/": ["F.pad", "torch.nn.functional.pad", "ReflectionPad2d", "np.pad reflect"],
    "layers/interpolate/": ["nn.Upsample align_corners", "bilinear upsampling", "F.interpolate"],
    "layers/shuffle/": ["PixelShuffle"],
    "layers/flatten/": ["nn.Flatten"],
    "layers/": [
        "weight_ih_l0 torch.Size([400, 12])",
        "which layer is this tensor",
        "parameter names",
    ],
    "port/errors/": [
        "mat1 and mat2 shapes cannot be multiplied (5x12 and 100x12)",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x512 and 1000x512)",
        "size mismatch for fc.weight",
        "RuntimeError: Error(s) in loading state_dict for Net: size mismatch for fc.weight: "
        "copying a param with shape torch.Size([10, 512]) from checkpoint, the shape in current "
        "model is torch.Size([1000, 512]).",
        "_pickle.UnpicklingError: invalid load key, 'v'.",
        "RuntimeError: Attempting to deserialize object on CUDA device 1 but "
        "torch.cuda.device_count() is 1",
        "ModuleNotFoundError: No module named 'models.yolo'",
        "AttributeError: 'collections.OrderedDict' object has no attribute 'eval'",
        "KeyError: 'state_dict'",
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
        "RuntimeError: Given groups=1, weight of size [32, 1, 3, 3], expected input[64, 3, 224, "
        "224] to have 1 channels, but got 3 channels instead",
        "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [64, 784]",
        "RuntimeError: input.size(-1) must be equal to input_size. Expected 28, got 1",
        "RuntimeError: expected scalar type Double but found Float",
    ],
    "port/load-a-checkpoint/": [
        "load pth without torch",
        "read .pt file with numpy",
        "open .pth file",
        "torch.load without torch",
        "ckpt",
        "Lightning",
        "lightning ckpt",
        "gguf",
    ],
    "port/save-weights/": [
        "safetensors numpy",
        "save weights as npz",
        "save state_dict as npz",
        "save_file safetensors",
    ],
    "port/run-in-numpy/": [
        "pytorch to numpy",
        "run pytorch model in numpy",
    ],
    "port/write-it/": ["convert pytorch model to numpy"],
    "port/operations/": [
        "torch.gather numpy",
        "torch.roll numpy",
        "masked_fill numpy",
        "index_select",
    ],
    "port/drop-torch/": [
        "drop torch",
        "docker image size torch",
        "inference without torch memory size",
    ],
    "port/find-your-way/": [
        "_orig_mod",
        "module. prefix",
        "weight_norm weight_g",
    ],
    "models/llama/": ["GQA", "grouped queries", "grouped query attention"],
    "models/gpt2/": ["gpt2 numpy", "hugging face conv1d", "GPT2LMHeadModel", "Conv1D"],
    "models/resnet/": ["resnet50", "torchvision resnet numpy"],
    "models/vit/": ["vit_b_16", "vision transformer"],
    "port/prove-parity/": [
        "compare numpy and torch outputs",
        "np.allclose tolerance",
        "rounding tolerance",
        "PackedSequence",
        "pad_packed_sequence",
        "find the first layer that differs",
    ],
    "why/square-trap/": ["square trap", "square weight no error", "silent wrong result transpose"],
    "why/rows-are-outputs/": [
        "why transpose",
        "why is the weight transposed",
        "rows are outputs",
        "(in, out) or (out, in)",
    ],
    "why/memory-and-strides/": [
        "does .T copy",
        "transpose copy",  # its title says "copies"
        "strides",
        "fortran order",
        "contiguous memory transpose",
    ],
    "why/what-rests-on-it/": ["kaiming fan_in", "sharding", "quantization per channel"],
    "": ["y = x @ W.T + b", "nn.Linear weight shape"],
    "notebooks/speakers/": ["speakers notebook"],
    "notebooks/port-a-model/": ["pnet", "port a model someone else trained"],
    "notebooks/speed/": ["numpy faster than pytorch", "onnx runtime", "torch.compile"],
    "layers/calculator/": ["shape calculator", "print(model)", "torchinfo", "spectral_norm"],
}
FIRST_IN_CHINESE = {
    "layers/lstm/": ["LSTM 门的顺序", "nn.LSTM", "双向 LSTM", "什么是 weight_hr_l0"],
    "layers/gru/": ["GRU", "gru 两个偏置"],
    "layers/rnn/": ["nn.RNN", "循环神经网络", "weight_hh_l0 是什么意思"],
    "layers/linear/": ["全连接层", "nn.Linear", "线性层"],
    "layers/embedding/": ["词嵌入", "嵌入层", "nn.Embedding"],
    "layers/conv/": ["卷积核 翻转", "conv2d numpy", "深度可分离卷积"],
    "layers/conv-transpose/": ["转置卷积", "反卷积", "ConvTranspose2d"],
    "layers/batch-norm/": ["批归一化", "批量归一化", "running_mean", "num_batches_tracked 是什么"],
    "layers/layer-norm/": ["层归一化", "nn.LayerNorm"],
    "layers/group-norm/": ["组归一化"],
    "layers/instance-norm/": ["实例归一化"],
    "layers/attention/": ["多头注意力", "in_proj_weight (3E, E)", "注意力掩码"],
    "layers/transformer/": ["TransformerEncoderLayer", "编码器层"],
    "layers/activation/": ["激活函数", "softmax", "gelu"],
    "layers/pooling/": ["池化", "最大池化", "平均池化"],
    "layers/padding/": ["填充 reflect", "F.pad"],
    "layers/interpolate/": ["上采样", "双线性插值"],
    "layers/shuffle/": ["像素重排"],
    "layers/flatten/": ["展平"],
    "layers/distance/": ["余弦相似度"],
    "layers/fold/": ["滑动窗口展开", "im2col"],
    "layers/": ["weight_ih_l0 (400, 12)", "参数名 哪一层", "这个张量是哪一层的"],
    "port/errors/": [
        "形状不匹配",
        "维度不匹配",
        "报错",
        "输入通道数不符",
        "invalid load key, 'v'",
        "KeyError: 'state_dict'",
    ],
    "port/run-in-numpy/": ["用 NumPy 运行模型", "PyTorch 转 NumPy"],
    "port/load-a-checkpoint/": ["不装 torch 读 pth", "读取 .pth 文件", "ckpt", "gguf", "Lightning"],
    "port/save-weights/": ["保存权重"],
    "port/find-your-way/": ["检查点里有什么", "LoRA"],
    "port/quantized/": ["量化", "GPTQ"],
    "models/llama/": ["分组查询注意力", "GQA"],
    "models/gpt2/": ["Conv1D"],
    "port/prove-parity/": ["误差 容差", "PackedSequence"],
    "port/drop-torch/": ["去掉 torch"],
    "why/square-trap/": ["方阵陷阱", "方阵", "漏掉转置 不报错"],
    "why/rows-are-outputs/": ["为什么要转置", "一行对应一个输出", "权重形状"],
    "why/memory-and-strides/": ["步幅 内存", "转置会复制数据吗", "视图"],
    "why/what-rests-on-it/": ["剪枝"],
    "": ["权重 转置", "y = x @ W.T + b"],
    "notebooks/speakers/": ["说话人"],
    "notebooks/speed/": ["NumPy 比 PyTorch 快吗", "速度 实测", "ONNX Runtime"],
    "layers/calculator/": ["形状计算器", "print(model)", "谱归一化"],
}


@pytest.fixture(scope="module")
def homes(browser, base_url):
    """Return {language: its home}, opened once: the index takes longest."""
    opened = {"en": browser.new_page(), "zh": browser.new_page()}
    opened["en"].goto(base_url)
    opened["zh"].goto(f"{base_url}zh/")
    yield opened
    for page in opened.values():
        page.close()


def find(page, query):
    """Paste a query into the search and return the addresses of the pages found, best first."""
    page.bring_to_front()  # in Firefox a page behind another never has the focus
    page.keyboard.press("/")
    page.locator(".md-search__input").fill("")
    expect(page.locator(".md-search-result__meta")).to_have_text(re.compile("Type|键入"))
    page.locator(".md-search__input").fill(query)
    expect(page.locator(".md-search-result__meta")).to_have_text(
        re.compile(r"\d|No |没有"), timeout=20_000
    )
    links = page.locator(".md-search-result__item > :first-child")
    return links.evaluate_all("links => links.map((link) => link.href.replace(/[?#].*/, ''))")


# Looks for all queries, one after another, through the field that people use.
SEARCH = """async (queries) => {
  const [field, list, meta] = ["input", "ol", ".md-search-result__meta"]
    .map((name) => document.querySelector(`.md-search ${name}`));
  field.focus();
  const found = [];
  for (const query of queries) {
    const shown = new Promise((done) => {
      new MutationObserver(done).observe(meta, { childList: true });
    });
    field.value = query;
    field.dispatchEvent(new Event("input"));
    await shown;
    const links = [...list.querySelectorAll(":scope > li > :first-child")];
    found.push([query, links.map((link) => link.href.replace(/[?#].*/, "")), meta.textContent]);
  }
  return found;
}"""


def look(page, queries):
    """Return {query: (the addresses of the pages found, best first; what is said of them)}."""
    page.bring_to_front()
    return {query: told for query, *told in page.evaluate(SEARCH, list(queries))}


def first_of(page, queries):
    """Return {query: the address that is found first}."""
    return {query: found[0] for query, (found, _) in look(page, queries).items()}


def test_an_error_pasted_whole_leads_to_its_page(homes, base_url):
    found = first_of(homes["en"], ERRORS)
    there = {message: best.removeprefix(base_url) for message, best in found.items()}
    assert {error: best for error, best in there.items() if best not in ERRORS[error]} == {}


@pytest.mark.parametrize(("language", "table"), [("en", FIRST), ("zh", FIRST_IN_CHINESE)])
def test_the_page_asked_for_comes_first(homes, base_url, language, table):
    prefix = "" if language == "en" else "zh/"
    built = {page: queries for page, queries in table.items() if prefix + page in ADDRESSES}
    asked = {query: page for page, queries in built.items() for query in queries}
    assert len(asked) == sum(map(len, built.values())) > 40
    root = base_url + prefix
    first = {q: best.removeprefix(root) for q, best in first_of(homes[language], asked).items()}
    assert {query: there for query, there in first.items() if there != asked[query]} == {}


def test_a_number_at_the_end_is_no_beginning(homes):
    assert look(homes["en"], ["range 1"])["range 1"][0]


@pytest.mark.parametrize(
    ("language", "query", "missing"),
    [
        ("en", "qwertzuiop", "Not here: qwertzuiop. No matching documents"),
        ("en", "omegaconf", "Not here: omegaconf. No matching documents"),
        ("en", "what is torch.cholesky", "Not here: torch.cholesky. No matching documents"),
        ("en", "weight_foo_l0", "Not here: weight_foo_l0. No matching documents"),
        ("en", '"a phrase of no page"', "Not here: “a phrase of no page”. "),
        (
            "en",
            "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB",
            "Not here: RuntimeError: CUDA out of memory. Tried to allocate 20.00 Mi…. ",
        ),
        ("zh", "torch.cholesky 是什么", "本站没有：torch.cholesky。 没有找到符合条件的结果"),
        ("zh", "光合作用", "本站没有：光合作用。 没有找到符合条件的结果"),
    ],
)
def test_what_is_not_here_is_said_to_be_so(homes, language, query, missing):
    found, said = look(homes[language], [query])[query]
    assert said.startswith(missing)
    assert len(found) < 5


@pytest.mark.parametrize("query", ["nn.Linear", "torch.nn.functional.pad", '"rows are outputs"'])
def test_what_is_here_is_counted_alone(homes, query):
    found, said = look(homes["en"], [query])[query]
    assert said == f"{len(found)} matching documents"
    status = homes["en"].locator(".md-search").get_by_role("status")  # which a reader is told
    expect(status).to_have_text(said)


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("transpse", "transpose"),
        ("bathcnorm", "batchnorm"),
        ("sofmtax", "softmax"),
        ("embeddding", "embedding"),
    ],
)
def test_a_slip_of_the_finger_finds_what_was_meant(homes, slip, meant):
    found = look(homes["en"], [slip, meant])
    assert found[slip][0] == found[meant][0]
    assert found[slip][1].startswith(f"Not here: {slip}. Shown instead: {meant}. ")


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("LSTM gate order", r"layers/lstm/(#gate-order)?"),
        ("safetensors non contiguous", r"port/errors/#safetensors"),
        ("causal mask", r"layers/attention/#causal"),  # not the listing, which has both words, too
        ("norm_first", r"layers/transformer/#norm-first"),
        ("nn.Linear", r"layers/linear/"),
    ],
)
@pytest.mark.thorough
def test_enter_opens_the_section_that_answers(page, base_url, query, there):
    page.goto(base_url)
    find(page, query)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{re.escape(base_url)}{there}$"))


@pytest.mark.parametrize("address", ["layers/lstm/", "zh/layers/lstm/"])
@pytest.mark.thorough
def test_the_words_that_led_to_a_page_are_marked(page, base_url, address):
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.goto(f"{base_url}{address}?h=weight_ih_l0+gat#stored")
    expect(page).to_have_url(f"{base_url}{address}#stored")  # nobody copies the words along
    marked = page.locator("article mark").all_text_contents()
    assert set(marked) >= {"weight_ih_l0"}
    assert len(marked) > 5
    assert {word.lower() for word in marked} <= {"weight_ih_l0", "gat"}
    assert page.locator("article svg mark, article math mark").count() == 0
    assert "search_index.json" not in asked


@pytest.mark.thorough
def test_chinese_words_are_marked(page, base_url):
    page.goto(f"{base_url}zh/layers/lstm/?h=门的+的顺+顺序")
    assert "门的顺序" in page.locator("article mark").all_text_contents()


@pytest.mark.parametrize("language", ["", "zh/"])
def test_the_index_has_no_drawings_and_no_cells_in_one_word(site, language):
    index = json.loads((site / language / "search/search_index.json").read_text("utf-8"))
    texts = {entry["location"]: entry["text"] for entry in index["docs"]}
    assert not re.search(r"10102044|gateW|输出门W", texts["layers/lstm/"])
    assert not re.search("storednumbers|inputfrom|存储形状数", texts["layers/calculator/"])


@pytest.mark.thorough
def test_no_key_leads_into_the_closed_dialog(page, base_url):
    page.goto(base_url)
    field = page.locator(".md-search__input")
    field.focus()
    field.fill("lstm")
    expect(page.locator(".md-search__output a").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".md-search__output a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#__search")).not_to_be_checked()
    assert page.locator(".md-search__output a:visible").count() == 0
    field.focus()
    page.keyboard.press("Escape")
    for _ in range(3):
        page.keyboard.press("Tab")
        assert not page.evaluate("document.activeElement.closest('.md-search__output')")


@pytest.mark.thorough
def test_a_touch_opens_the_search_of_a_phone(browser, base_url):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{base_url}layers/gru/")
    page.locator(".md-header__button[for=__search]").click()
    field = page.locator(".md-search__input")
    expect(field).to_be_focused()
    field.fill("lstm gate order")
    page.locator(".md-search-result__link").first.click()
    expect(page).to_have_url(f"{base_url}layers/lstm/")
    page.close()


@pytest.mark.only_browser("chromium")  # Firefox, driven so, never says that the network is idle
@pytest.mark.thorough
def test_the_search_is_loaded_and_built_only_for_who_searches(page, base_url):
    asked, workers = [], []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.on("worker", lambda worker: workers.append(worker))
    page.goto(base_url)
    page.wait_for_load_state("networkidle")
    parts = {"search_index.json", "search-index.js", "minisearch.js"}
    assert not parts & set(asked)
    assert not workers
    page.keyboard.press("/")
    page.wait_for_load_state("networkidle")
    find(page, "lstm")
    assert "search-index.js" in asked
    assert len(workers) == 1
    assert page.evaluate("`${Worker} ${XMLHttpRequest}`.match(/native code/g).length") == 2
