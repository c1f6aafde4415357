"""Let the libraries name the tensors of each family, in tiny configurations.

    python -m tests.models.names

writes families.json: {model_type: [config, {name: shape}]}, as transformers saves it, and of
torchvision's resnet18. The ordinary tests read that file.
"""

import json

import torch

from tests import ROOT
from tests.models.library import load

PATH = ROOT / "tests/models/families.json"
SMALL = {
    "vocab_size": 61,
    "hidden_size": 48,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "n_embd": 48,
    "n_layer": 2,
    "n_head": 6,
    "d_model": 48,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "num_layers": 2,
    "dim": 48,
    "n_layers": 2,
    "n_heads": 6,
    "embedding_size": 12,
    "word_embed_proj_dim": 48,
    "pad_token_id": 0,
    "rotary_dim": 4,
}
AUTO = {
    "AutoModelForCausalLM": "gpt2 llama mistral mixtral qwen2 qwen3 gemma2 gemma3_text gpt_neox"
    " gptj bloom falcon phi3 opt mamba",
    "AutoModelForMaskedLM": "bert roberta distilbert albert electra",
    "AutoModel": "t5 whisper vit clip wav2vec2 deit",
}


def models():
    """Yield (model_type, config, model) of each family, without weights."""
    transformers = load()
    for auto, kinds in AUTO.items():
        for kind in kinds.split():
            known = transformers.AutoConfig.for_model(kind).to_dict()
            small = {name: size for name, size in SMALL.items() if name in known}
            config = transformers.AutoConfig.for_model(kind, **small)
            with torch.device("meta"):
                model = getattr(transformers, auto).from_config(config)
            yield kind, json.loads(config.to_json_string()), model
    yield "resnet18", {}, load("torchvision").models.resnet18()


def main():
    """Write what each has in its state_dict, a tied tensor under its first name alone."""
    found = {}
    for kind, config, model in models():
        tied = set(getattr(model, "_tied_weights_keys", None) or ())
        tied = tied if config.get("tie_word_embeddings") else set()
        shapes = {k: list(v.shape) for k, v in model.state_dict().items() if k not in tied}
        found[kind] = [config, shapes]
    PATH.write_text(json.dumps(found, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
