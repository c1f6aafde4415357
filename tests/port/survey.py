"""Port models that nobody here wrote: ``python -m tests.port.survey [name ...]``.

Needs torchvision and transformers. What it finds is written to survey.json, model by model: the
lines and the seconds of its program, or where in port it was refused, and why.
"""

import json
import pathlib
import re
import signal
import sys
import tempfile
import time
import types

sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))

import torch  # noqa: E402, torchvision's own operations are linked to CUDA

from snippets.port import PortError, port  # noqa: E402

PATH = pathlib.Path(__file__).with_suffix(".json")
SECONDS = 120  # that one model may take

IMAGES = """
alexnet vgg11_bn resnet18 resnet50 resnext50_32x4d wide_resnet50_2 squeezenet1_1 densenet121
mobilenet_v2 mobilenet_v3_small mnasnet0_5 shufflenet_v2_x0_5 efficientnet_b0 regnet_y_400mf
convnext_tiny googlenet inception_v3 vit_b_16 swin_t swin_v2_t maxvit_t
""".split()  # noqa: SIM905
WORDS = """
bert gpt2 llama distilbert roberta electra albert mistral qwen2 qwen3 gemma phi opt gpt_neox gptj
bloom mpnet deberta-v2 xlnet falcon stablelm olmo granite starcoder2 codegen biogpt mobilebert
camembert ernie convbert squeezebert funnel
""".split()  # noqa: SIM905
SMALL = {
    "vocab_size": 60, "hidden_size": 24, "n_embd": 24, "d_model": 24, "dim": 24,
    "embedding_size": 24, "num_hidden_layers": 3, "n_layer": 3, "n_layers": 3,
    "num_attention_heads": 3,
    "n_head": 3, "n_heads": 3, "num_key_value_heads": 1, "intermediate_size": 40, "hidden_dim": 40,
    "ffn_dim": 40, "d_inner": 40, "max_position_embeddings": 32, "n_positions": 32, "head_dim": 8,
    "d_head": 8, "word_embed_proj_dim": 24, "rotary_dim": 4, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip


def image_model(name):
    """Return a classifier of torchvision, and an image."""
    import torchvision

    options = {"aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    model = getattr(torchvision.models, name)(weights=None, num_classes=10, **options)
    size = 224 if name in ("vit_b_16", "maxvit_t") else 96
    return model, (torch.randn(2, 3, size, size),), {}


def word_model(name):
    """Return a small model of a type of transformers, and ids."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(name)
    for key, value in SMALL.items():
        if isinstance(getattr(config, key, None), int):
            setattr(config, key, value)
    options = {"use_cache": False} if hasattr(config, "use_cache") else {}
    config.use_cache = False
    return AutoModel.from_config(config), (), {"input_ids": torch.randint(3, 60, (2, 7))} | options


def spread(model, args, kwargs, seed):
    """Spread the weights, so that each shows, and give norms the statistics of an input."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                fan_in = parameter[0].numel()
                parameter.normal_(0, (1.5 / fan_in) ** 0.5)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
        norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        model.eval()
        for norm in norms:
            norm.momentum = None
            norm.reset_running_stats()
            norm.train()
        if norms:
            model(*args, **kwargs)
    return model.eval()


def surveyed(name, seed=0):
    """Return what becomes of one model."""
    torch.manual_seed(seed)
    model, args, kwargs = (image_model if name in IMAGES else word_model)(name)
    model, args = model.double(), tuple(x.double() for x in args)
    model = spread(model, args, kwargs, seed)
    begun = time.time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = port(model, args, kwargs, folder=pathlib.Path(temporary) / "ported")
        text = (folder / "model.py").read_text("utf-8")
    return {"lines": len(text.splitlines()), "seconds": round(time.time() - begun, 1)}


def stop(*_):
    """End a model that takes too long."""
    raise TimeoutError(f"more than {SECONDS} seconds")


def main(names):
    """Survey models, and write what is found after each."""
    signal.signal(signal.SIGALRM, stop)
    found = json.loads(PATH.read_text("utf-8")) if PATH.exists() else {}
    for name in names or IMAGES + WORDS:
        signal.alarm(SECONDS)
        try:
            found[name] = surveyed(name)
        except PortError as error:
            reason = re.sub(r", \S+/([\w.]+), line", r", \1, line", str(error))[:240]
            found[name] = {"refused": re.sub(r"/\S+/", "", reason)}
        except Exception as error:
            found[name] = {"not run": f"{type(error).__name__}: {error}".splitlines()[0][:160]}
        signal.alarm(0)
        print(name, found[name], flush=True)
        PATH.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
