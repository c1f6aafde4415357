"""A folder of Hugging Face's: what config.json says, and the weights of all its files."""

import json
from pathlib import Path

from ..checkpoints.safetensors_file import LazyDict, load_safetensors


def read_folder(folder):
    """Return what a model takes of a folder: its config and its weights.

    Parameters
    ----------
    folder : str or path
        It has config.json, and model.safetensors or, of a large model,
        model-00001-of-00003.safetensors and so on.

    Returns
    -------
    config : dict
    weights : dict of str to array
        Views of the files. bfloat16 becomes float32 each time you ask.

    Raises
    ------
    ValueError
        There is no such file of weights, or one is damaged.

    See Also
    --------
    transformers.PreTrainedModel.from_pretrained
    """
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    files = [folder / "model.safetensors"]
    if not files[0].exists():
        files = sorted(folder.glob("model-*-of-*.safetensors"))
    if not files:
        raise ValueError(
            f"{folder} has no model.safetensors: if it has pytorch_model.bin, its weights are "
            "what load(folder) of snippets.checkpoints returns"
        )
    shards = [load_safetensors(file) for file in files]
    # Unread, as each file keeps it: all of a bfloat16 file in float32 takes twice its size.
    return config, LazyDict({name: shard.stored(name) for shard in shards for name in shard})
