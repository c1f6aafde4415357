"""Which published architecture a checkpoint is, by its names: ``family_of(names, config)``.

``describe`` says it, with what is easy to get wrong about the family's rows.
"""

import itertools
import re
from typing import NamedTuple


class Family(NamedTuple):
    """What the tensors of an architecture are known by, and what they do not say.

    Parameters
    ----------
    name : str
    types : dict of str to str
        What config.json may have as ``model_type``, and what that is.
    marks : list of str
        Patterns: each is found in some name.
    rows : str
        How rows, or what else is stored, are to be read.
    norm : str
        The class of its norms; "" where it has several.
    tied : tuple of str
        The end of a name that may be missing, and of the one that takes its place.
    page : str
        The page of this site.
    layers : list of str
        What each layer stores, # being its number, and what lies beside them; with ?, some do.
        Empty where files differ.
    """

    name: str
    types: dict[str, str]
    marks: list[str]
    rows: str
    norm: str
    tied: tuple[str, ...] = ()
    page: str = ""
    layers: list[str] = []  # noqa: RUF012, never changed


HEADS = "rows of q, k and v are heads, one behind the other"
HALVES = f"{HEADS}; RoPE turns row i of a head with row i + head_dim / 2"
EMBED = "lm_head.weight", "embed_tokens.weight"
FUSED_PAGE = "models/fused-weights.md"
GPT2_LAYERS = [
    "{wte,wpe}.weight",
    "ln_f.{weight,bias}",
    "h.#.{ln_1,attn.c_attn,attn.c_proj,ln_2,mlp.c_fc,mlp.c_proj}.{weight,bias}",
    "h.#.attn.{bias,masked_bias}?",
]
LLAMA_LAYERS = [
    "embed_tokens.weight",
    "norm.weight",
    "layers.#.{input,post_attention}_layernorm.weight",
    "layers.#.self_attn.{q,k,v,o}_proj.weight",
    "layers.#.mlp.{gate,up,down}_proj.weight",
    "layers.#.self_attn.{q,k,v,o}_proj.bias?",
    "layers.#.mlp.{gate,up,down}_proj.bias?",
    "layers.#.self_attn.rotary_emb.inv_freq?",
]
HEAD_NORMS = "layers.#.self_attn.{q,k}_norm.weight"
GEMMA_NORMS = ["layers.#.{pre,post}_feedforward_layernorm.weight"]
BERT_LAYERS = [
    "embeddings.{word,position,token_type}_embeddings.weight",
    "embeddings.LayerNorm.{weight,bias}",
    "encoder.layer.#.attention.self.{query,key,value}.{weight,bias}",
    "encoder.layer.#.{attention.output,output}.{dense,LayerNorm}.{weight,bias}",
    "encoder.layer.#.intermediate.dense.{weight,bias}",
]
T5_LAYERS = [
    "{encoder,decoder}.block.#.layer.0.SelfAttention.{q,k,v,o}.weight",
    "{encoder,decoder}.block.#.layer.{0,1}.layer_norm.weight",
    "encoder.block.#.layer.1.DenseReluDense.wo.weight",
    "encoder.block.#.layer.1.DenseReluDense.{wi,wi_0,wi_1}.weight?",
    "decoder.block.#.layer.1.EncDecAttention.{q,k,v,o}.weight",
    "decoder.block.#.layer.1.EncDecAttention.relative_attention_bias.weight?",
    "decoder.block.#.layer.2.layer_norm.weight",
    "decoder.block.#.layer.2.DenseReluDense.wo.weight",
    "decoder.block.#.layer.2.DenseReluDense.{wi,wi_0,wi_1}.weight?",
    "{encoder,decoder}.block.#.layer.0.SelfAttention.relative_attention_bias.weight?",
]
WHISPER_LAYERS = [
    "{encoder,decoder}.layers.#.self_attn.{q_proj,v_proj,out_proj}.{weight,bias}",
    "{encoder,decoder}.layers.#.self_attn.k_proj.weight",
    "{encoder,decoder}.layers.#.{self_attn_layer_norm,fc1,fc2,final_layer_norm}.{weight,bias}",
    "decoder.layers.#.encoder_attn.{q_proj,v_proj,out_proj}.{weight,bias}",
    "decoder.layers.#.encoder_attn.k_proj.weight",
    "decoder.layers.#.encoder_attn_layer_norm.{weight,bias}",
]
CLIP_LAYERS = [
    "{text,vision}_model.encoder.layers.#.self_attn.{q,k,v,out}_proj.{weight,bias}",
    "{text,vision}_model.encoder.layers.#.{layer_norm1,layer_norm2}.{weight,bias}",
    "{text,vision}_model.encoder.layers.#.mlp.{fc1,fc2}.{weight,bias}",
]
VIT_LAYERS = [
    "layers.#.attention.{q,k,v,o}_proj.weight",
    "layers.#.attention.o_proj.bias",
    "layers.#.attention.{q,k,v}_proj.bias?",
    "layers.#.{layernorm_before,layernorm_after,mlp.fc1,mlp.fc2}.{weight,bias}",
]
MAMBA_LAYERS = [
    "embeddings.weight",
    "norm_f.weight",
    "layers.#.norm.weight",
    "layers.#.mixer.{A_log,D}",
    "layers.#.mixer.dt_proj.{weight,bias}",
    "layers.#.mixer.{in_proj,conv1d,x_proj,out_proj}.weight",
    "layers.#.mixer.{in_proj,conv1d,out_proj}.bias?",
]
# The first of which all marks are found: those that have more marks stand before.
FAMILIES = [
    Family(
        "GPT-2",
        {"gpt2": "GPT-2"},
        [r"\bc_attn\.weight$", r"\bc_fc\.weight$", r"\bwpe\.weight$"],
        "all matrices are (in, out), x @ weight; the columns of c_attn are q, k and v, in blocks",
        "LayerNorm",
        ("lm_head.weight", "wte.weight"),
        "models/gpt2.md",
        layers=GPT2_LAYERS,
    ),
    Family(
        "T5",
        {"t5": "T5", "mt5": "mT5"},
        [r"\bDenseReluDense\.", r"\brelative_attention_bias\."],
        f"{HEADS}; scores are not divided by sqrt(d_kv), all layers use the first one's bias",
        "RMSNorm",
        ("lm_head.weight", "shared.weight"),
        "models/t5.md",
        layers=T5_LAYERS,
    ),
    Family(
        "Whisper",
        {"whisper": "Whisper"},
        [r"\bencoder\.conv1\.weight$", r"\bencoder_attn\.q_proj\."],
        f"{HEADS}; k_proj has no bias",
        "LayerNorm",
        ("proj_out.weight", "decoder.embed_tokens.weight"),
        "models/whisper.md",
        layers=WHISPER_LAYERS,
    ),
    Family(
        "CLIP",
        {"clip": "CLIP"},
        [r"\btext_model\..*self_attn", r"\bvision_model\..*self_attn", r"\blogit_scale$"],
        f"{HEADS}; logits are multiplied by exp(logit_scale)",
        "LayerNorm",
        page="models/clip.md",
        layers=CLIP_LAYERS,
    ),
    Family(
        "Mamba",
        {"mamba": "Mamba"},
        [r"\bmixer\.A_log$", r"\bmixer\.x_proj\."],
        "A is -exp(A_log); the rows of in_proj are x, then the gate",
        "RMSNorm",
        ("lm_head.weight", "embeddings.weight"),
        "models/mamba.md",
        layers=MAMBA_LAYERS,
    ),
    Family(
        "wav2vec 2.0",
        {"wav2vec2": "wav2vec 2.0", "hubert": "HuBERT"},
        [r"\bfeature_extractor\.conv_layers\.", r"\bpos_conv_embed\.conv\."],
        f"{HEADS}; weight_norm of pos_conv_embed keeps a length for each place of the kernel",
        "",
        page=FUSED_PAGE,
    ),
    Family(
        "ViT",
        {"vit": "ViT", "deit": "DeiT"},
        [r"\bpatch_embeddings\.projection\.weight$", r"\blayernorm_before\.", r"\bcls_token$"],
        f"{HEADS}; the first position is the class token",
        "LayerNorm",
        page="models/vit.md",
        layers=VIT_LAYERS,
    ),
    Family(
        "ALBERT",
        {"albert": "ALBERT"},
        [r"\balbert_layer_groups\."],
        f"{HEADS}; one layer is used again and again",
        "LayerNorm",
        page="models/bert.md",
    ),
    Family(
        "DistilBERT",
        {"distilbert": "DistilBERT"},
        [r"\battention\.q_lin\.", r"\bsa_layer_norm\."],
        f"{HEADS}; the norms stand behind the additions",
        "LayerNorm",
    ),
    Family(
        "BERT or RoBERTa",
        {
            "bert": "BERT",
            "roberta": "RoBERTa",
            "xlm-roberta": "XLM-RoBERTa",
            "electra": "ELECTRA",
        },
        [r"\battention\.self\.query\.", r"\bintermediate\.dense\.", r"\btoken_type_embeddings\."],
        f"{HEADS}; the norms stand behind the additions; RoBERTa's positions begin at 2",
        "LayerNorm",
        page="models/bert.md",
        layers=BERT_LAYERS,
    ),
    Family(
        "GPT-NeoX",
        {"gpt_neox": "GPT-NeoX"},
        [r"\battention\.query_key_value\.", r"\bembed_in\.weight$"],
        "rows of query_key_value are (heads, 3, head_dim): q, k and v of each head",
        "LayerNorm",
        page=FUSED_PAGE,
    ),
    Family(
        "Bloom",
        {"bloom": "Bloom"},
        [r"\bself_attention\.query_key_value\.", r"\bword_embeddings_layernorm\."],
        "rows of query_key_value are (heads, 3, head_dim): q, k and v of each head",
        "LayerNorm",
        ("lm_head.weight", "word_embeddings.weight"),
        FUSED_PAGE,
    ),
    Family(
        "Falcon",
        {"falcon": "Falcon"},
        [r"\bself_attention\.query_key_value\.", r"\bword_embeddings\."],
        "rows of query_key_value lie as config.json says, in one of three orders",
        "LayerNorm",
        ("lm_head.weight", "word_embeddings.weight"),
        FUSED_PAGE,
    ),
    Family(
        "GPT-J",
        {"gptj": "GPT-J"},
        [r"\battn\.q_proj\.", r"\bmlp\.fc_in\."],
        f"{HEADS}; RoPE turns neighbouring rows, and not all of a head",
        "LayerNorm",
    ),
    Family(
        "OPT",
        {"opt": "OPT"},
        [r"\bdecoder\.layers\..*\bself_attn\.q_proj\.", r"\bdecoder\.embed_positions\."],
        f"{HEADS}; positions begin at 2",
        "LayerNorm",
        ("lm_head.weight", "decoder.embed_tokens.weight"),
    ),
    Family(
        "Phi-3",
        {"phi3": "Phi-3"},
        [r"\bself_attn\.qkv_proj\.", r"\bmlp\.gate_up_proj\."],
        "rows of qkv_proj are all of q, of k, of v; those of gate_up_proj are the gate, then up",
        "RMSNorm",
        EMBED,
        FUSED_PAGE,
    ),
    Family(
        "Mixtral",
        {"mixtral": "Mixtral"},
        [r"\bself_attn\.q_proj\.", r"\bblock_sparse_moe\.|\bmlp\.experts\.gate_up_proj$"],
        f"{HALVES}; each token goes to some of the experts",
        "RMSNorm",
        EMBED,
    ),
    Family(
        "Gemma 3",
        {"gemma3_text": "Gemma 3", "gemma3": "Gemma 3"},
        [r"\bpre_feedforward_layernorm\.", r"\bself_attn\.q_norm\."],
        f"{HALVES}; norms are stored minus 1, embeddings are multiplied by sqrt(hidden_size)",
        "RMSNorm",
        EMBED,
        "models/gemma.md",
        layers=[*LLAMA_LAYERS, *GEMMA_NORMS, HEAD_NORMS],
    ),
    Family(
        "Gemma 2",
        {"gemma2": "Gemma 2"},
        [r"\bpre_feedforward_layernorm\."],
        f"{HALVES}; norms are stored minus 1, embeddings are multiplied by sqrt(hidden_size)",
        "RMSNorm",
        EMBED,
        layers=[*LLAMA_LAYERS, *GEMMA_NORMS],
    ),
    Family(
        "Qwen3",
        {"qwen3": "Qwen3"},
        [r"\bself_attn\.q_norm\.", r"\bmlp\.gate_proj\."],
        f"{HALVES}; a norm over each head of q and k comes before",
        "RMSNorm",
        EMBED,
        "models/llama.md",
        layers=[*LLAMA_LAYERS, HEAD_NORMS],
    ),
    Family(
        "Qwen2",
        {"qwen2": "Qwen2"},
        [r"\bself_attn\.q_proj\.bias$", r"\bmlp\.gate_proj\."],
        HALVES,
        "RMSNorm",
        EMBED,
        "models/llama.md",
        layers=[*LLAMA_LAYERS, "layers.#.self_attn.{q,k,v}_proj.bias"],
    ),
    Family(
        "Llama or Mistral",
        {"llama": "Llama", "mistral": "Mistral"},
        [r"\bself_attn\.q_proj\.weight$", r"\bmlp\.gate_proj\.", r"\bpost_attention_layernorm\."],
        HALVES,
        "RMSNorm",
        EMBED,
        "models/llama.md",
        layers=LLAMA_LAYERS,
    ),
    Family(
        "torchvision's ResNet",
        {},
        [r"^conv1\.weight$", r"^layer1\.0\.conv1\.weight$", r"^layer4\.", r"^fc\.weight$"],
        "rows are channels; strides stand in no tensor, 2 in the first block from layer2 on",
        "BatchNorm2d",
        page="models/resnet.md",
    ),
]
# What config.json has that no tensor tells
SETTINGS = re.compile(
    r"model_type|.*heads?|head_dim|(num_)?groups|num_hidden_groups|.*eps(ilon)?|rope_theta|hidden_act|"
    r"activation(_function)?|sliding_window|tie_word_embeddings|r|lora_alpha|use_rslora"
)


def family_of(names, config=None):
    """Return what the names of a checkpoint's tensors tell, as data; None if they are of none.

    Parameters
    ----------
    names : collection of str
    config : dict, optional
        What config.json holds.

    Returns
    -------
    dict or None
        ``name``, ``page`` and ``rows`` of the family; ``absent``, sentences on what is not in the
        file; ``doubt``, where config.json speaks of another one.
    """
    told, lines = config or {}, "\n".join(names)
    found = fitting_families(lines)
    if not found:
        return None
    family, kind = found[0], told.get("model_type")
    known = next((f.types[kind] for f in found if kind in f.types), None)
    absent = []
    if family.tied and not any(name.endswith(family.tied[0]) for name in names):
        stands = [name for name in names if name.endswith(family.tied[1])]
        if told.get("tie_word_embeddings") is False:
            absent.append(f"{family.tied[0]} is missing, and config.json does not tie it")
        elif stands:
            absent.append(f"{family.tied[0]} is not stored: {stands[0]} takes its place")
    count = told.get("num_hidden_layers") or told.get("n_layer")
    layers = {int(n) for n in re.findall(r"(?:^|\.)(?:layers?|h|block)\.(\d+)\.", lines, re.M)}
    if isinstance(count, int) and layers and len(layers) < count:
        absent.append(f"config.json has {count} layers, this file {len(layers)}: a shard?")
    return {
        "name": known or family.name,
        "page": family.page,
        "rows": family.rows,
        "absent": absent,
        "doubt": f"config.json says {kind}" if isinstance(kind, str) and not known else "",
    }


def missing_of(names, config=None):
    """Return what the layers of a family have and a file has not, as names.

    Nothing is said of a variant, whose layers have more than the family's, nor of a file that does
    not begin with the first layer.

    Parameters
    ----------
    names : collection of str
        Of the file.
    config : dict, optional
        What config.json holds.

    Returns
    -------
    list of str
        Layer by layer.
    """
    families, kind = fitting_families("\n".join(names)), (config or {}).get("model_type")
    if not families or (kind and kind not in families[0].types):
        return []
    needed, allowed = [], set()
    for pattern in families[0].layers:
        several = expanded(pattern.removesuffix("?"))
        allowed.update(several)
        needed += several * (not pattern.endswith("?"))
    missing, starts = [], set()
    for stack in dict.fromkeys(own.partition(".#.")[0] for own in needed if ".#." in own):
        inside = re.compile(rf"(|.*\.){re.escape(stack)}\.(\d{{1,6}})\.(.*)")
        found = [match for name in names if (match := inside.fullmatch(name))]
        numbers = {int(match[2]) for match in found}
        starts |= {match[1] for match in found}
        known = all(f"{stack}.#.{match[3]}" in allowed for match in found)
        if found and (
            not known or len(starts) > 1 or 0 not in numbers or max(numbers) > len(found)
        ):
            return []
        for number in range(max(numbers, default=-1) + 1):
            layer = [own for own in needed if own.startswith(f"{stack}.#.")]
            missing += [f"{min(starts)}{own.replace('#', str(number))}" for own in layer]
    missing += [start + own for start in starts for own in needed if "#" not in own]
    return [name for name in missing if name not in names]


def expanded(pattern):
    """Return the texts that a pattern stands for: of "{a,b}.c", "a.c" and "b.c"."""
    parts = re.split("[{}]", pattern)
    choices = [part.split(",") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def norm_of(names):
    """Return the class of the norms of the family that these names tell; "" if they tell none.

    Parameters
    ----------
    names : collection of str

    Returns
    -------
    str
        A class of torch.nn.
    """
    return next((family.norm for family in fitting_families("\n".join(names))), "")


def fitting_families(lines):
    """Return the families of which all marks are found in lines of names."""
    return [f for f in FAMILIES if all(re.search(mark, lines, re.M) for mark in f.marks)]


def settings_of(config):
    """Return what config.json has that no tensor tells: heads, groups, eps, the activation.

    Parameters
    ----------
    config : dict or None
        What config.json holds.

    Returns
    -------
    dict of str to int, float or str
        Such entries, those of ``rope_parameters`` among them.
    """
    told = dict(config or {})
    inner = told.get("rope_parameters")  # where newer files have rope_theta
    told |= inner if isinstance(inner, dict) else {}
    return {
        name: value
        for name, value in told.items()
        if isinstance(name, str) and SETTINGS.fullmatch(name) and type(value) in PLAIN
    }


PLAIN = int, float, str, bool
