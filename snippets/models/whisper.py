"""Whisper in NumPy, weights as stored: the log-mel front end, the encoder and the decoder."""

import math

import numpy as np

from ..layers.activation import gelu
from ..layers.attention import scaled_dot_product_attention
from ..layers.conv import conv1d
from ..layers.embedding import embedding
from ..layers.layer_norm import layer_norm
from .blocks import (
    activation_of,
    check_divides,
    cut_heads,
    generate_tokens,
    join_heads,
    keys_seen,
    last_tokens,
    parts_of,
    project,
    read_config,
    read_tokens,
    remember,
    token_positions,
)

# All checkpoints share them: preprocessor_config.json.
SAMPLING_RATE, N_FFT, HOP_LENGTH = 16000, 400, 160

WHISPER_SIZES = [
    "vocab_size",
    "num_mel_bins",
    "d_model",
    "encoder_layers",
    "encoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_layers",
    "decoder_attention_heads",
    "decoder_ffn_dim",
    "max_source_positions",
    "max_target_positions",
]
# What the library takes where config.json has no such entry.
WHISPER_DEFAULTS = {"activation_function": "gelu", "tie_word_embeddings": True}


def log_mel(sound, config):
    """Return the features that the encoder reads: loudness in num_mel_bins bands, every 10 ms.

    Parameters
    ----------
    sound : array of float (batch, time)
        From -1 to 1, 16000 numbers a second. Silence is added, or the end is cut, so that it
        lasts as long as the encoder has positions: 30 seconds.
    config : dict
        What config.json holds.

    Returns
    -------
    array (batch, num_mel_bins, 2 * max_source_positions)

    Raises
    ------
    ValueError
        sound is no batch of floats.

    See Also
    --------
    transformers.WhisperFeatureExtractor
    """
    sound, config, dtype = read_sound(sound, config)
    length = 2 * config["max_source_positions"] * HOP_LENGTH
    sound = sound[:, :length]
    sound = np.pad(sound, [(0, 0), (0, length - sound.shape[1])])
    sound = np.pad(sound, [(0, 0), (N_FFT // 2, N_FFT // 2)], mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(sound, N_FFT, axis=1)
    frames = frames[:, :-1:HOP_LENGTH]  # (batch, 2 * source, kernel)
    hann = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(N_FFT) / N_FFT)  # (kernel,)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2  # (batch, 2 * source, kernel // 2 + 1)
    mel = power @ mel_filters(config["num_mel_bins"])  # (batch, 2 * source, num_mel_bins)
    loud = np.log10(np.maximum(mel, 1e-10))
    loud = np.maximum(loud, loud.max(axis=(1, 2), keepdims=True) - 8)
    return ((loud + 4) / 4).swapaxes(1, 2).astype(dtype)  # (batch, num_mel_bins, 2 * source)


def mel_filters(bins):
    """Return what each frequency adds to each band: triangles, evenly spaced as Slaney's mel."""
    mels = np.linspace(0, 15 + 27 * math.log(SAMPLING_RATE / 2000, 6.4), bins + 2)
    corners = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))  # in hertz
    hertz = np.linspace(0, SAMPLING_RATE / 2, N_FFT // 2 + 1)[:, None]
    low, top, high = corners[:-2], corners[1:-1], corners[2:]
    rises, falls = (hertz - low) / (top - low), (high - hertz) / (high - top)
    return np.maximum(0, np.minimum(rises, falls)) * 2 / (high - low)


def forward(features, ids, weights, config, *, attention_mask=None, cache=None, last=False):
    """Return the logits of the token after each position.

    Parameters
    ----------
    features : array (batch, num_mel_bins, 2 * max_source_positions)
        What ``log_mel`` returns.
    ids : integers (batch, time)
        The decoder's, its prompt first: <|startoftranscript|>, language, task.
    weights : mapping of str to array
        All of model.safetensors, names with or without ``model.`` before them.
    config : dict
        What config.json holds.
    attention_mask : array (batch, time), optional
        1 for an id, 0 for padding, on either side. With a cache, of all ids so far.
    cache : list, optional
        ``[]`` at first. It keeps the keys and values of the sound and of all ids; give only new
        ids then. The features are not read again.
    last : bool
        Only the logits after each sequence's last token, which are all that generating needs.

    Returns
    -------
    array (batch, time, vocab_size)
        Those of padding mean nothing. (batch, 1, vocab_size) if last.

    Raises
    ------
    ValueError
        config.json is another model's, a tensor is missing, surplus or of another shape, or
        features, ids or attention_mask do not fit.

    See Also
    --------
    transformers.WhisperForConditionalGeneration
    """
    config, part = read_whisper(weights, config)
    ids, mask = read_tokens(ids, attention_mask, cache)
    check_decoder(features, ids, mask, config)
    d_model, time = config["d_model"], ids.shape[1]
    memory = None if cache else whisper_encoder(features, part, config)
    cache = [] if cache is None else cache
    seen = keys_seen(mask, time)  # (batch, 1, time, length)
    x = embedding(ids, **part("decoder.embed_tokens"))  # (batch, time, d_model)
    x = x + embedding(token_positions(mask, time), **part("decoder.embed_positions"))
    for i in range(config["decoder_layers"]):
        layer = f"decoder.layers.{i}"
        h = layer_norm(x, d_model, **part(f"{layer}.self_attn_layer_norm"))
        own = whisper_heads(h, "kv", part, f"{layer}.self_attn", config)
        own = remember(cache, 2 * i, *own)
        x = x + whisper_mean(h, own, seen, part, f"{layer}.self_attn", config)
        if memory is not None:
            heard = whisper_heads(memory, "kv", part, f"{layer}.encoder_attn", config)
            remember(cache, 2 * i + 1, *heard)
        h = layer_norm(x, d_model, **part(f"{layer}.encoder_attn_layer_norm"))
        x = x + whisper_mean(h, cache[2 * i + 1], None, part, f"{layer}.encoder_attn", config)
        x = x + whisper_mlp(x, part, layer, config)
    x = last_tokens(x, mask) if last else x
    x = layer_norm(x, d_model, **part("decoder.layer_norm"))
    return project(x, **part("proj_out") or part("decoder.embed_tokens"))  # tied


def generate(
    features,
    ids,
    weights,
    config,
    steps,
    *,
    attention_mask=None,
    temperature=0,
    rng=None,
    suppress_tokens=(),
    begin_suppress_tokens=(),
):
    """Return the ids that the decoder goes on with.

    Parameters
    ----------
    features, ids, weights, config
        As for ``forward``.
    steps : int
        How many tokens. It does not stop at ``config["eos_token_id"]``: cut there.
    attention_mask : array (batch, time), optional
        As for ``forward``.
    temperature : float
        0 takes the likeliest token each time. 1 draws as the model says, less draws bolder.
    rng : numpy.random.Generator, optional
        What draws.
    suppress_tokens, begin_suppress_tokens : sequence of int
        Ids that are never chosen, and those that are not chosen first: generation_config.json.

    Returns
    -------
    integers (batch, steps)

    Raises
    ------
    ValueError
        As for ``forward``, or steps or temperature are negative.

    See Also
    --------
    transformers.GenerationMixin.generate
    """

    def hear(ids, weights, config, *, cache, **given):
        never = [*suppress_tokens, *([] if cache else begin_suppress_tokens)]
        logits = forward(features, ids, weights, config, cache=cache, **given)
        logits[..., never] = -np.inf
        return logits

    given = attention_mask, temperature, rng
    return generate_tokens(hear, ids, weights, config, steps, *given)


def encode(features, weights, config):
    """Return what the encoder makes of the features: a vector for every 20 ms.

    Parameters
    ----------
    features, weights, config
        As for ``forward``.

    Returns
    -------
    array (batch, max_source_positions, d_model)

    Raises
    ------
    ValueError
        As for ``forward``.

    See Also
    --------
    transformers.WhisperModel.get_encoder
    """
    config, part = read_whisper(weights, config)
    return whisper_encoder(features, part, config)


def whisper_encoder(features, part, config):
    """Return the sound as vectors: two convolutions, then layers that all see all of it."""
    features = read_features(features, config)
    d_model = config["d_model"]
    x = gelu(conv1d(features, **part("encoder.conv1"), padding=1))  # (batch, d_model, 2 * source)
    x = gelu(conv1d(x, **part("encoder.conv2"), stride=2, padding=1))  # (batch, d_model, source)
    x = x.swapaxes(1, 2) + part("encoder.embed_positions")["weight"]  # (batch, source, d_model)
    for i in range(config["encoder_layers"]):
        layer = f"encoder.layers.{i}"
        h = layer_norm(x, d_model, **part(f"{layer}.self_attn_layer_norm"))
        own = whisper_heads(h, "kv", part, f"{layer}.self_attn", config)
        x = x + whisper_mean(h, own, None, part, f"{layer}.self_attn", config)
        x = x + whisper_mlp(x, part, layer, config)
    return layer_norm(x, d_model, **part("encoder.layer_norm"))


def whisper_heads(x, letters, part, name, config):
    """Return the projections of x, cut into the heads of its half: k_proj alone has no bias."""
    heads = config[f"{name.partition('.')[0]}_attention_heads"]
    projected = (project(x, **part(f"{name}.{letter}_proj")) for letter in letters)
    return [cut_heads(a, config["d_model"] // heads) for a in projected]


def whisper_mean(x, keys_and_values, seen, part, name, config):
    """Return attention of x to keys and values, its own or those of the sound."""
    (q,) = whisper_heads(x, "q", part, name, config)
    y = scaled_dot_product_attention(q, *keys_and_values, seen)
    return project(join_heads(y), **part(f"{name}.out_proj"))


def whisper_mlp(x, part, layer, config):
    """Return what a layer's two Linears add, behind a norm that has the name of a last one."""
    h = layer_norm(x, config["d_model"], **part(f"{layer}.final_layer_norm"))
    h = activation_of(config["activation_function"])(project(h, **part(f"{layer}.fc1")))
    return project(h, **part(f"{layer}.fc2"))


# What refuses wrong input


def whisper_shapes(config):
    """Return {name: shape} of all that a checkpoint with this config may store."""
    d = config["d_model"]

    def norm(name):
        return {f"{name}.weight": (d,), f"{name}.bias": (d,)}

    def attention(name):
        leaves = [f"{name}.{leaf}_proj" for leaf in ("k", "v", "q", "out")]
        biases = {f"{leaf}.bias": (d,) for leaf in leaves[1:]}  # k_proj has none
        return {f"{leaf}.weight": (d, d) for leaf in leaves} | biases

    shapes = {
        "encoder.conv1.weight": (d, config["num_mel_bins"], 3),
        "encoder.conv1.bias": (d,),
        "encoder.conv2.weight": (d, d, 3),
        "encoder.conv2.bias": (d,),
        "encoder.embed_positions.weight": (config["max_source_positions"], d),
        "decoder.embed_tokens.weight": (config["vocab_size"], d),
        "decoder.embed_positions.weight": (config["max_target_positions"], d),
        "proj_out.weight": (config["vocab_size"], d),
    }
    for half in ("encoder", "decoder"):
        inner = config[f"{half}_ffn_dim"]
        layer = attention("self_attn") | norm("self_attn_layer_norm")
        if half == "decoder":
            layer |= attention("encoder_attn") | norm("encoder_attn_layer_norm")
        layer |= {"fc1.weight": (inner, d), "fc1.bias": (inner,)}
        layer |= {"fc2.weight": (d, inner), "fc2.bias": (d,)} | norm("final_layer_norm")
        for i in range(config[f"{half}_layers"]):
            shapes |= {f"{half}.layers.{i}.{name}": shape for name, shape in layer.items()}
        shapes |= norm(f"{half}.layer_norm")
    return shapes


def read_whisper(weights, config):
    """Return config and the parts, or say what is wrong and why."""
    config = read_config(config, ["whisper"], WHISPER_SIZES, WHISPER_DEFAULTS)
    for half in ("encoder", "decoder"):
        check_divides(config, f"{half}_attention_heads", "d_model")
    tied = ["proj_out.weight"] if config["tie_word_embeddings"] else []
    return config, parts_of(weights, whisper_shapes(config), start="model.", optional=tied)


def read_features(features, config):
    """Return features as an array, or say that they are not what log_mel returns."""
    features = np.asarray(features)
    expected = config["num_mel_bins"], 2 * config["max_source_positions"]
    if features.ndim != 3 or features.shape[1:] != expected:
        slip = "are they the sound itself? Take log_mel(sound, config)"
        if features.ndim == 3:
            slip = (
                "are the last two axes exchanged, or is the sound not padded to its whole length?"
            )
        raise ValueError(
            f"features have shape {features.shape}, expected {('batch', *expected)}: {slip}"
        )
    return features


def check_decoder(features, ids, mask, config):
    """Raise unless each sound has its ids and each id a position."""
    if (most := mask.sum(axis=1).max(initial=0)) > config["max_target_positions"]:
        have = config["max_target_positions"]
        raise ValueError(f"{most} ids, but decoder.embed_positions has {have} positions")
    if len(features) != len(ids):
        raise ValueError(
            f"features have {len(features)} sounds, but ids {len(ids)} rows: begin each with the "
            "prompt"
        )


def read_sound(sound, config):
    """Return sound in float64, the config, and the dtype of the result."""
    config = read_config(config, ["whisper"], WHISPER_SIZES, WHISPER_DEFAULTS)
    sound = np.asarray(sound)
    if sound.ndim != 2 or sound.dtype.kind != "f":
        slip = "is it one recording, sound[None]?"
        if sound.dtype.kind in "iu":
            slip = f"divide by {np.iinfo(sound.dtype).max + 1}"
        raise ValueError(
            f"sound is {sound.dtype} of shape {sound.shape}, expected floats (batch, time) from "
            f"-1 to 1: {slip}"
        )
    return sound.astype(np.float64), config, sound.dtype
