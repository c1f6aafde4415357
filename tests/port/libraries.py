"""The models of the survey, library by library: how each is made, and what it can be called with.

``MODELS[library]()`` yields (name, make). ``make()`` yields (model, args, kwargs) as often as there
are sizes to try, the smallest first; the survey takes the first one that runs.
"""

import contextlib
import re

import torch
from torch import nn

from tests.models.library import load

LARGEST = 50_000_000  # weights: one core runs more of them too slowly in float64
TOO_LARGE = f"more than {LARGEST:,} weights"


def image(n, channels=3, batch=2):
    """Return images of n by n."""
    return torch.randn(batch, channels, n, n)


# ---- torchvision ----

BACKBONE = re.compile("rcnn|ssd|retina|fcos|deeplab|fcn|lraspp")
VIDEO = re.compile("3d|mvit|r2plus1d|mc3|s3d")


def torchvision():
    """Yield every builder of torchvision."""
    models = load("torchvision.models")

    def make(name):
        options = {"weights_backbone": None} if BACKBONE.search(name) else {"num_classes": 10}
        options |= {"aux_logits": False} if name in ("googlenet", "inception_v3") else {}
        options = {} if name.startswith("raft") else options
        for size in (64, 128, 224):
            more = {"image_size": size} if name.startswith("vit") else {}
            model = models.get_model(name, weights=None, **options, **more)
            if VIDEO.search(name):
                yield model, (torch.randn(1, 3, 16, size, size),), {}
            elif name.startswith("raft"):
                yield model, (image(size, batch=1), image(size, batch=1)), {}
            elif "rcnn" in name or name.startswith(("ssd", "retina", "fcos")):
                yield model, ([torch.rand(3, size, size)],), {}
            else:
                yield model, (image(size),), {}

    for name in models.list_models():
        yield name, lambda name=name: make(name)


# ---- timm ----

SMALLEST = ["test", "atto", "femto", "pico", "nano", "micro", "xxs", "xx_small", "tiny", "_t"]
SMALLEST += ["xs", "x_small", "_s0", "_xt", "mini", "small", "_s", "18", "b0", "lite", "a0"]


def timm():
    """Yield one model of each family of timm, a small one."""
    library = load("timm")

    def make(name):
        for size in (64, 128, None):
            sizes = {"img_size": size} if size else {}
            try:
                model = library.create_model(name, pretrained=False, num_classes=10, **sizes)
            except TypeError:  # it takes images of any size
                model = library.create_model(name, pretrained=False, num_classes=10)
            channels, n, _ = model.default_cfg["input_size"]
            yield model, (image(size or n, channels),), {}

    def size(name):
        places = [i for i, word in enumerate(SMALLEST) if word in name]
        return min(places, default=len(SMALLEST)), len(name), name

    for family in library.list_modules():
        if names := library.list_models(module=family):
            name = min(names, key=size)
            yield name, lambda name=name: make(name)


# ---- transformers ----

# What a word in the name of a setting is set to; the first that fits counts.
SMALL = [
    (r"(num_)?key_value_heads|num_kv_heads|n_kv_heads|num_key_value_heads", 2),
    (r"(num_|n_)?(\w*_)?(attention_)?heads?|encoder_attention_heads|decoder_attention_heads", 4),
    (r"n_head|num_heads|nhead", 4),
    (r"(attention_)?head_dim|d_head|d_kv|kv_channels|head_size|attention_head_size", 8),
    (r"qk_nope_head_dim|qk_rope_head_dim|v_head_dim", 8),
    (r"(num_|n_)?(hidden_|encoder_|decoder_)?(layers?|blocks)|num_hidden_layers", 2),
    (r"(\w+_)?num_hidden_layers|depth|num_layers", 2),
    (r"(\w*_)?vocab_size|num_embeddings", 60),
    (r"(\w*_)?intermediate_size|ffn_dim|(\w*_)?ffn_dim|d_ff|d_inner|n_inner|mlp_dim", 40),
    (r"(shared_|moe_)?expert_intermediate_size|moe_intermediate_size|hidden_dim", 40),
    (r"(\w*_)?hidden_size|d_model|n_embd|dim|embed_dim|embedding_size|word_embed_proj_dim", 32),
    (r"projection_dim|(\w*_)?embed_dim|encoder_dim|emb_dim", 32),
    (r"(\w*_)?max_position_embeddings|n_positions|n_ctx|max_(source|target)_positions", 64),
    (r"image_size|img_size", 64),
    (r"patch_size", 16),
    (r"num_experts|num_local_experts|n_routed_experts|moe_num_experts", 4),
    (r"rotary_dim", 4),
    (r"pad_token_id", 0),
    (r"bos_token_id|decoder_start_token_id", 1),
    (r"eos_token_id", 2),
]
FEW = ("layers", "vocab", "position", "token_id", "depth", "n_layer", "blocks")


def shrunk(config, few=False):
    """Make a configuration small, all of it or only what has many of the same."""
    for key, value in list(vars(config).items()):
        if hasattr(value, "to_dict"):
            shrunk(value, few)
        if type(value) is not int or (few and not any(word in key for word in FEW)):
            continue
        small = next((n for pattern, n in SMALL if re.fullmatch(pattern, key)), None)
        if small is not None and (value > small or "token_id" in key):
            with contextlib.suppress(Exception):
                setattr(config, key, small)
    for key in ("layer_types", "mlp_layer_types"):
        if isinstance(kinds := getattr(config, key, None), list):
            with contextlib.suppress(Exception):  # both kinds, if there are two
                setattr(config, key, list(dict.fromkeys(kinds))[:2] * (2 // len(set(kinds)) or 1))
    with contextlib.suppress(Exception):
        config.use_cache = False
    return config


def size_of(library, config):
    """Return how many weights a model has, without making them."""
    with torch.device("meta"):
        return sum(p.numel() for p in library.AutoModel.from_config(config).parameters())


def transformers():
    """Yield every model type of transformers, with a tiny configuration."""
    library = load("transformers")
    auto = load("transformers.models.auto.modeling_auto")

    def make(name):
        first = None
        for few in (False, True):
            config = shrunk(library.AutoConfig.for_model(name), few)
            try:
                if size_of(library, config) > LARGEST:
                    raise ValueError(TOO_LARGE)
                model = library.AutoModel.from_config(config)
            except Exception as error:
                if few:
                    raise first or error from None
                first = error
                continue
            vision = getattr(config, "vision_config", config)
            n = getattr(vision, "image_size", None) or 64
            n = n if isinstance(n, int) else n[0]
            channels = getattr(vision, "num_channels", 3)
            ids = {"input_ids": torch.randint(3, 50, (2, 7))}
            decoder = {"decoder_input_ids": torch.randint(3, 50, (2, 5))}
            pixels = {"pixel_values": image(n, channels if isinstance(channels, int) else 3)}
            mels = getattr(config, "num_mel_bins", 80)
            tries = {
                "input_ids": [ids, ids | decoder, ids | pixels],
                "pixel_values": [pixels, pixels | ids, pixels | decoder],
                "input_values": [
                    {"input_values": torch.randn(2, 4000)},
                    {"input_values": torch.randn(2, 4000)} | decoder,
                    {"input_values": torch.randn(2, 1, 4000)},
                    {"input_values": torch.randn(2, getattr(config, "max_length", 128), mels)},
                ],
                "input_features": [
                    {"input_features": torch.randn(2, mels, 128)},
                    {"input_features": torch.randn(2, mels, 128)} | decoder,
                    {"input_features": torch.randn(2, 128, mels)},
                ],
                "pixel_values_videos": [{"pixel_values_videos": torch.randn(1, 8, 3, n, n)}],
            }
            for inputs in tries.get(model.main_input_name, []):
                yield model, (), dict(inputs)

    for name in auto.MODEL_MAPPING_NAMES:
        yield name, lambda name=name: make(name)


# ---- torch.nn ----

X1, X2, X3 = (2, 4, 9), (2, 4, 8, 10), (2, 4, 5, 6, 7)  # (batch, channels, ...)
WINDOWS = {
    f"{kind}{n}d": (options, [(X1, X2, X3)[n - 1]])
    for n in (1, 2, 3)
    for kind, options in {
        "Conv": (4, 6, 3), "ConvTranspose": (4, 6, 3), "LazyConv": (6, 3),
        "LazyConvTranspose": (6, 3), "BatchNorm": (4,), "InstanceNorm": (4,), "LazyBatchNorm": (),
        "LazyInstanceNorm": (), "AvgPool": (2,), "MaxPool": (2,), "LPPool": (2, 2),
        "AdaptiveAvgPool": (3,), "AdaptiveMaxPool": (3,), "ConstantPad": (1, 0.5), "ZeroPad": (1,),
        "ReflectionPad": (1,), "ReplicationPad": (1,), "CircularPad": (1,), "Dropout": (),
    }.items()
}  # fmt: skip
LAYERS = WINDOWS | {
    "Linear": ((4, 6), [(3, 4)]),
    "LazyLinear": ((6,), [(3, 4)]),
    "Bilinear": ((4, 5, 6), [(3, 4), (3, 5)]),
    "Embedding": ((20, 6), ["ids"]),
    "EmbeddingBag": ((20, 6), ["ids"]),
    "GroupNorm": ((2, 4), [X2]),
    "LayerNorm": ((10,), [X2]),
    "RMSNorm": ((10,), [X2]),
    "SyncBatchNorm": ((4,), [X2]),
    "LocalResponseNorm": ((3,), [X2]),
    "CrossMapLRN2d": ((3,), [X2]),
    "RNN": ((4, 5), [(7, 2, 4)]),
    "LSTM": ((4, 5, 2), [(7, 2, 4)]),
    "GRU": ((4, 5), [(7, 2, 4)]),
    "RNNCell": ((4, 5), [(2, 4), (2, 5)]),
    "LSTMCell": ((4, 5), [(2, 4)]),
    "GRUCell": ((4, 5), [(2, 4), (2, 5)]),
    "MultiheadAttention": ((8, 2), [(5, 2, 8), (6, 2, 8), (6, 2, 8)]),
    "TransformerEncoderLayer": ((8, 2, 12), [(5, 2, 8)]),
    "TransformerDecoderLayer": ((8, 2, 12), [(5, 2, 8), (6, 2, 8)]),
    "TransformerEncoder": ((nn.TransformerEncoderLayer(8, 2, 12), 3), [(5, 2, 8)]),
    "TransformerDecoder": ((nn.TransformerDecoderLayer(8, 2, 12), 3), [(5, 2, 8), (6, 2, 8)]),
    "Transformer": ((8, 2, 2, 2, 12), [(5, 2, 8), (6, 2, 8)]),
    "AdaptiveLogSoftmaxWithLoss": ((16, 20, [5, 10]), [(20, 16), "each"]),
    "LinearCrossEntropyLoss": ((4, 20), [(3, 4), "targets"]),
    "CosineSimilarity": ((), [(3, 4), (3, 4)]),
    "PairwiseDistance": ((), [(3, 4), (3, 4)]),
    "Flatten": ((), [X2]),
    "Unflatten": ((1, (2, 2)), [X2]),
    "Fold": (((4, 5), 2), [(2, 12, 12)]),
    "Unfold": ((2,), [X2]),
    "Upsample": ((None, 2), [X2]),
    "UpsamplingBilinear2d": ((None, 2), [X2]),
    "UpsamplingNearest2d": ((None, 2), [X2]),
    "PixelShuffle": ((2,), [X2]),
    "PixelUnshuffle": ((2,), [X2]),
    "ChannelShuffle": ((2,), [X2]),
    "FractionalMaxPool2d": ((2, 3), [X2]),
    "FractionalMaxPool3d": ((2, 3), [X3]),
    "PReLU": ((4,), [X2]),
    "Threshold": ((0.1, 20), [X2]),
    "Softmax": ((1,), [X2]),
    "Softmin": ((1,), [X2]),
    "LogSoftmax": ((1,), [X2]),
    "Identity": ((), [X2]),
    "AlphaDropout": ((), [X2]),
    "FeatureAlphaDropout": ((), [X2]),
    "Sequential": ((nn.Linear(10, 3), nn.ReLU()), [X2]),
    "L1Loss": ((), [(3, 4), (3, 4)]),
    "MSELoss": ((), [(3, 4), (3, 4)]),
    "HuberLoss": ((), [(3, 4), (3, 4)]),
    "SmoothL1Loss": ((), [(3, 4), (3, 4)]),
    "KLDivLoss": ((), [(3, 4), "chance"]),
    "BCEWithLogitsLoss": ((), [(3, 4), "chance"]),
    "BCELoss": ((), ["chance", "chance"]),
    "PoissonNLLLoss": ((), [(3, 4), "chance"]),
    "GaussianNLLLoss": ((), [(3, 4), (3, 4), "variance"]),
    "CrossEntropyLoss": ((), [(3, 20), "targets"]),
    "NLLLoss": ((), [(3, 20), "targets"]),
    "NLLLoss2d": ((), [(3, 20, 4, 5), "pixels"]),
    "MultiMarginLoss": ((), [(3, 20), "targets"]),
    "MultiLabelMarginLoss": ((), [(3, 20), "labels"]),
    "MultiLabelSoftMarginLoss": ((), [(3, 4), "chance"]),
    "SoftMarginLoss": ((), [(3, 4), "signs"]),
    "HingeEmbeddingLoss": ((), [(3, 4), "signs"]),
    "CosineEmbeddingLoss": ((), [(3, 4), (3, 4), "sign"]),
    "MarginRankingLoss": ((), [(3,), (3,), "sign"]),
    "TripletMarginLoss": ((), [(3, 4), (3, 4), (3, 4)]),
    "TripletMarginWithDistanceLoss": ((), [(3, 4), (3, 4), (3, 4)]),
}
NO_LAYER = {  # nothing to call, or nothing that torch.export can be given
    "Module", "Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList",
    "DataParallel", "RNNBase", "RNNCellBase", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
    "CTCLoss", "Buffer", "Parameter",
}  # fmt: skip
GIVEN = {
    "ids": lambda: torch.randint(0, 20, (2, 7)),
    "targets": lambda: torch.randint(0, 20, (3,)),
    "each": lambda: torch.arange(20),
    "variance": lambda: 0.5,
    "pixels": lambda: torch.randint(0, 20, (3, 4, 5)),
    "labels": lambda: torch.randint(0, 20, (3, 20)),
    "chance": lambda: torch.rand(3, 4) * 0.8 + 0.1,
    "signs": lambda: torch.randint(0, 2, (3, 4)) * 2.0 - 1,
    "sign": lambda: torch.randint(0, 2, (3,)) * 2.0 - 1,
}


def classes():
    """Yield every class of torch.nn that is a module to call."""

    def make(name):
        options, inputs = LAYERS.get(name, ((), [X2]))
        arrays = tuple(GIVEN[one]() if isinstance(one, str) else torch.randn(one) for one in inputs)
        model = getattr(nn, name)(*options)
        model.eval()(*arrays)  # a lazy one takes its sizes
        yield model, arrays, {}

    for name in sorted(vars(nn)):
        is_class = isinstance(kind := getattr(nn, name), type) and issubclass(kind, nn.Module)
        if is_class and name not in NO_LAYER:
            yield name, lambda name=name: make(name)


MODELS = {
    "torch.nn": classes,
    "torchvision": torchvision,
    "timm": timm,
    "transformers": transformers,
}
