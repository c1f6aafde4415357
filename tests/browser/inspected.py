"""Files for the page that inspects a checkpoint: of every kind that it reads, and hostile ones."""

import argparse
import importlib
import io
import json
import pickle
import shutil
import warnings
import zipfile

import numpy as np

from snippets.checkpoints import TABLE, save_npz, save_safetensors
from tests import ROOT

DATA = ROOT / "tests/checkpoints/data"


# What lies beside a tiny model of a family
CONFIGS = {
    "configured": (
        "qwen3",
        {
            "model_type": "qwen3",
            "num_attention_heads": 4,
            "num_hidden_layers": 99,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"},
            "tie_word_embeddings": True,
            "hidden_size": 64,
            "eos_token_id": [1, 2],
        },
    ),
    "holed": ("qwen3", {"model_type": "qwen3"}),
    "doubtful": ("qwen3", {"model_type": "other", "tie_word_embeddings": False, "n_layer": 1}),
    "adapter": ("gpt2", {"r": 8, "lora_alpha": 16, "use_rslora": False, "bias": "none"}),
}


def sound(torch, folder):
    """Make the files that can be read and return {name: path}."""
    nn = torch.nn
    torch.manual_seed(0)

    def save(name, value, **options):
        torch.save(value, folder / name, **options)

    mixed = nn.ModuleDict(
        {
            "embed": nn.Embedding(9, 4),
            "conv": nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.BatchNorm2d(4)),
            "up": nn.ConvTranspose2d(4, 6, 2, groups=2),
            "rnn": nn.GRU(5, 7, 2, bidirectional=True),
            "lstm": nn.LSTM(5, 7, proj_size=3),
            "attn": nn.MultiheadAttention(6, 2, kdim=4),
            "norm": nn.ModuleList([nn.LayerNorm((2, 3)), nn.GroupNorm(2, 4), nn.PReLU()]),
            "softmax": nn.AdaptiveLogSoftmaxWithLoss(64, 23, [5, 11]),
            "cell": nn.LSTMCell(5, 7, bias=False),
            "bilinear": nn.Bilinear(3, 4, 5),
        }
    )
    state = mixed.state_dict()
    save("mixed.pt", state)
    save("protocol.pt", state, pickle_protocol=5)
    save("legacy.pth", state, _use_new_zipfile_serialization=False)
    save("whole.pth", mixed)
    save("whole-legacy.pth", nn.Linear(3, 4), _use_new_zipfile_serialization=False)
    np.savez(folder / "none.npz")
    save(
        "training.ckpt",
        {
            "epoch": 3,
            "state_dict": {f"model.{name}": values for name, values in state.items()},
            "optimizer_states": [torch.optim.Adam(mixed.parameters()).state_dict()],
            "hyper_parameters": {"lr": 1e-5, "heads": 2, "name": "it's", "big": 10**20},
            "args": argparse.Namespace(a=1),
            "loss": 0.25,
            "floats": {str(i): x for i, x in enumerate([-0.0, 1e-7, 1e22, 1e15, -np.inf, np.nan])},
            "counts": {"steps": -70_000, "seed": -(10**30)},
            "long": b"x" * 5000,
            "done": True,
            "stopped": False,
            "none": None,
            "score": np.float64(3.0),
            "path": ("a", 1),
            "seen": {1, 2},
            "raw": b"x",
            "device": torch.device("cpu"),
            "size": torch.Size([2, 3]),
            "dtype": torch.float16,
            "text": "x\n" * 30,
            "array": np.arange(6.0).reshape(2, 3),
        },
    )
    encoder = nn.TransformerEncoderLayer(6, 2, 7, batch_first=True)
    save("encoder.pt", nn.TransformerEncoder(encoder, 2, nn.LayerNorm(6)).state_dict())
    save("transformer.pt", nn.Transformer(6, 2, 1, 2, 7, batch_first=True).state_dict())
    tied = nn.ModuleDict({"embed": nn.Embedding(9, 4), "head": nn.Linear(4, 9)})
    tied["head"].weight = tied["embed"].weight
    both = {"ema": tied.state_dict(), "model": nn.DataParallel(tied).state_dict()}
    save("tied.pth", both)
    with warnings.catch_warnings(action="ignore"):
        parts = nn.ModuleList(
            [
                nn.utils.weight_norm(nn.Linear(3, 4)),
                nn.utils.parametrizations.weight_norm(nn.Conv1d(5, 4, 3)),
                nn.utils.spectral_norm(nn.Linear(3, 4)),
                nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)),
                nn.utils.parametrizations.orthogonal(nn.Linear(3, 3)),
            ]
        )
    pruned = nn.Linear(3, 4)
    prune = importlib.import_module("torch.nn.utils.prune")
    prune.random_unstructured(pruned, "weight", 0.5)
    save("parts.pt", nn.ModuleList([parts, pruned]).state_dict())
    inner = nn.Sequential(nn.Linear(3, 4), torch.compile(nn.Linear(4, 5), backend="eager"))
    save("compiled.pt", inner.state_dict())
    save(
        "dtypes.pt",
        {
            "a.weight": torch.ones(3, 4, dtype=torch.bfloat16),
            "b.weight": torch.ones(3, 4).to(torch.float8_e4m3fn),
            "c.weight": torch.ones(2, 3).T,
            "d.weight": torch.ones(1, 3).expand(5, 3),
            "mask": torch.ones(3, 3, dtype=torch.bool),
            "ids": torch.arange(5),
            "empty": torch.ones(0, 3),
            "scalar": torch.tensor(2.0),
            "complex": torch.ones(2, dtype=torch.complex64),
            "half": torch.ones(2, 2).half(),
        },
    )
    gpt = {
        "wte.weight": np.ones((9, 4), "f4"),
        "h.0.attn.c_attn.weight": np.ones((4, 12), "f4"),
        "h.0.attn.c_attn.bias": np.ones(12, "f4"),
        "h.0.attn.c_proj.weight": np.ones((4, 4), "f4"),
        "h.0.attn.c_proj.bias": np.ones(4, "f4"),
        "h.0.mlp.c_fc.weight": np.ones((4, 16), "f4"),
        "h.0.mlp.c_fc.bias": np.ones(16, "f4"),
        "wpe.weight": np.ones((7, 4), "f4"),
        "h.0.ln_1.gamma": np.ones(4, "f4"),
        "h.0.ln_1.beta": np.ones(4, "f4"),
    }
    save_npz(folder / "gpt.npz", gpt)
    families = json.loads((ROOT / "tests/models/families.json").read_text("utf-8"))
    qwen3 = {name: np.ones(shape, "f4") for name, shape in families["qwen3"][1].items()}
    save_npz(folder / "qwen3.npz", qwen3)
    odd = {"a\x1b[2J\n.weight": np.ones((3, 5)), "é.weight": np.ones((5, 3), ">f8")}
    odd |= {"layers.0": np.ones((3, 4)), "layers.1": np.ones((4, 2)), "b": np.ones(4, "S5")}
    odd |= {"c": np.ones(3, ">i2")}
    save_npz(folder / "odd.npz", odd)
    np.savez_compressed(folder / "packed.npz", **gpt)
    adapted = {
        "q.base_layer.weight": np.ones((5, 4), "f4"),
        "q.lora_A.default.weight": np.ones((2, 4), "f4"),
        "q.lora_B.default.weight": np.ones((5, 2), "f4"),
        "v.weight": np.ones((5, 4), "f4"),
        "v.lora_down.weight": np.ones((2, 4), "f4"),
        "v.lora_up.weight": np.ones((5, 3), "f4"),
    }
    save_safetensors(folder / "lora.safetensors", adapted)
    behind = '{"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},'
    behind += '"e":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},"a":ONE}'
    (folder / "unordered.safetensors").write_bytes(safetensors(behind, 16))
    fc = nn.Linear(3, 4).state_dict()
    averaged = fc | {f"ema.{name}": values for name, values in fc.items()}
    save("averaged.pt", averaged | {"ema.decay": torch.ones(()), "n_averaged": torch.tensor(3)})
    own = nn.Tanh()
    own.table = torch.ones(4)  # neither a parameter nor a buffer: the class has none
    two = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), own).eval()
    with warnings.catch_warnings(action="ignore"):
        traced = torch.jit.trace(two, torch.ones(1, 3), check_trace=False)
        torch.jit.save(traced, folder / "script.pt")
        torch.jit.save(torch.jit.freeze(traced), folder / "frozen.pt")
    torch.export.save(torch.export.export(two, (torch.ones(2, 3),)), folder / "program.pt2")
    chain = {f"layers.{i}.weight": np.ones((3 + i, 4 + i), "f4") for i in range(3)}
    save_safetensors(folder / "chain.safetensors", chain, bfloat16=["layers.1.weight"])
    with open(folder / "arrays.pkl", "wb") as file:
        pickle.dump({"fc.weight": np.ones((200, 30)), "fc.bias": np.ones(200), "n": 3}, file, 4)
    (folder / "python-2.pkl").write_bytes(b"\x80\2}(U\1a" + NUMBER + b"\xc3\xa9tRU\1bU\2\xc3\xa9u.")
    for name in "llama.gguf", "blocks.gguf", "w.pdparams", "arrays.joblib", "objects.joblib":
        shutil.copy(DATA / name, folder)
    with np.load(DATA / "quantized.npz") as file:
        layers = {k.replace(",", "").replace("/", "."): v for k, v in file.items() if k[-1] != "/"}
    save_safetensors(folder / "quantized.safetensors", layers | adapted)
    with warnings.catch_warnings(action="ignore"):
        quantize = torch.ao.quantization.quantize_dynamic
        dynamic = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 2, bias=False))
        save("dynamic.pt", nn.DataParallel(quantize(dynamic, {nn.Linear})).state_dict())
    for name, (family, config) in CONFIGS.items():
        (folder / name).mkdir()
        tiny = {k: np.ones(shape, "f4") for k, shape in families[family][1].items()}
        if name == "holed":
            del tiny["model.layers.1.mlp.up_proj.weight"]
        save_safetensors(folder / name / "model.safetensors", tiny)
        where = "adapter_config.json" if "r" in config else "config.json"
        (folder / name / where).write_text(json.dumps(config))
    sharded = folder / "sharded"
    sharded.mkdir()
    shards = {"part-1.safetensors": ["0.weight", "0.bias"], "part-2.bin": ["1.weight", "1.bias"]}
    two = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5)).state_dict()
    numpy = {name: two[name].numpy() for name in shards["part-1.safetensors"]}
    save_safetensors(sharded / "part-1.safetensors", numpy)
    torch.save({name: two[name] for name in shards["part-2.bin"]}, sharded / "part-2.bin")
    places = {name: shard for shard, names in shards.items() for name in names}
    index = json.dumps({"metadata": {}, "weight_map": places})
    (sharded / "model.safetensors.index.json").write_text(index)
    return {path.name: path for path in sorted(folder.iterdir())}


def safetensors(header, size=8):
    """Return a file of a header and so many bytes."""
    header = header.replace("ONE", '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}').encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


def zipped(**members):
    """Return a zip."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return found.getvalue()


# As Python 2 pickles an int16, up to its bytes, which may be text by chance
NUMBER = (
    b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\2i2K\0K\1tR(K\3U\1<NNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbU\2"
)
# What a .pt2 tells of a tensor, with a dtype that is none
ODD = {
    "path_name": "weight_0",
    "use_pickle": False,
    "tensor_meta": {
        "dtype": 99,
        "sizes": [{"as_int": 2}],
        "strides": [{"as_int": 1}],
        "storage_offset": {"as_int": 0},
    },
}
TENSOR = (
    b"\x80\2ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
    b"X\1\0\0\0%sX\3\0\0\0cpuK%stQK%sK%s\x85K%s\x85\x89}tR."
)


# The head of an entry of a zip's directory, and that of an encrypted one
LOCKED = b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"


def torch_zip(pickled, data=bytes(8), **more):
    """Return a zip as of torch.save."""
    return zipped(**{"a/data.pkl": pickled, "a/data/0": data} | more)


def hostile(folder, whole):
    """Make the files that are refused and return {name: path}; whole are {name: sound path}."""
    made = {
        "empty.pt": b"",
        "page.pth": b"<!DOCTYPE html><html>",
        "pointer.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "keras.h5": b"\x89HDF\r\n\x1a\n" + bytes(64),
        "model.keras": zipped(**{"config.json": b"{}", "model.weights.h5": b""}),
        "ckpt.index": bytes(40) + TABLE,
        "ckpt.data-00000-of-00001": bytes(range(255, 155, -1)),
        "text.txt": b"it's a text\n",
        "settings.json": b'{"hidden_size": 4}',
        "noise.bin": bytes(range(255, 155, -1)),
        "before.pt": b"PK\3\4" + bytes(9) + torch_zip(b"\x80\2}."),
        "other.zip": zipped(a=b"1", b=b"2"),
        "none.pt": torch_zip(b"\x80\2Pq\n."),
        "lost.pt": torch_zip(TENSOR % (b"7", b"\2", b"\0", b"\2", b"\1")),
        "id.pt": torch_zip(
            TENSOR.replace(b"storage", b"st0rage") % (b"0", b"\2", b"\0", b"\2", b"\1")
        ),
        "locked.pt": torch_zip(b"\x80\2}.").replace(LOCKED[0], LOCKED[1]),
        "count.pt": torch_zip(TENSOR % (b"0", b"\3", b"\0", b"\2", b"\1")),
        "beyond.pt": torch_zip(TENSOR % (b"0", b"\2", b"\1", b"\2", b"\1")),
        "odd.pt": torch_zip(TENSOR % (b"0", b"\2", b"\0", b"\2", b"\1"), bytes(7)),
        "order.pt": torch_zip(b"\x80\2}.", **{"a/byteorder": b"middle"}),
        "called.pt": torch_zip(b"\x80\2K\1)R."),
        "item.pt": torch_zip(b"\x80\2K\1K\1K\1s."),
        "stack.pt": torch_zip(b"\x80\2."),
        "name.pt": torch_zip(b"\x80\2c" + b"a" * 499 + b"\nb\n."),
        "array.pkl": b"\x80\4\x95\0\0\0\0\0\0\0\0}." + bytes(4),
        "inner.pt": zipped(a__b__c=b"1"),
        "script.pt": torch_zip(b"\x80\2}.", **{"a/constants.pkl": b"\x80\2)."}),
        "lost-script.pt": zipped(**{"a/constants.pkl": b"\x80\2)."}),
        "dtype.pt2": zipped(
            **{
                "a/archive_format": b"pt2",
                "a/byteorder": b"little",
                "a/data/weights/m_weights_config.json": json.dumps({"config": {"w": ODD}}),
            }
        ),
        "objects.npz": npz(np.array([{}], object)),
        "short.npz": npz(np.ones(3), cut=8),
        "named.npz": zipped(a=b"1", **{"b.npy": b"2"}),
        "version.gguf": b"GGUF" + (9).to_bytes(4, "little") + bytes(16),
        "endless.gguf": b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 16,
        "long.safetensors": (10**9).to_bytes(8, "little") + b"{}",
    }
    headers = [
        '{"a":ONE,"a":ONE}', "{a}", '{"a":ONE,}', '{"a":1}', '{"a":{"dtype":"F32"}}',
        '{"__metadata__":{"x":1},"a":ONE}', '{"a":ONE,"b":ONE}', "[]",
        '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}', '{"a":ONE,"x":NaN}',
        '{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}', '{"a":null}',
        '{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}', '{"\\ud800":ONE}',
        '{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[4,8]}}',
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}',
    ]  # fmt: skip
    made |= {f"{i}.safetensors": safetensors(header) for i, header in enumerate(headers)}
    made["more.safetensors"] = safetensors('{"a":ONE}', 9)
    for name in "mixed.pt", "legacy.pth", "chain.safetensors", "llama.gguf", "gpt.npz":
        raw = whole[name].read_bytes()
        for part in 10, 100, len(raw) // 3, len(raw) - 40:
            made[f"{part}-of-{name}"] = raw[:part]
    for name, raw in made.items():
        (folder / name).write_bytes(raw)
    for name, places in {
        "missing": {"a": "no.bin"},
        "outside": {"a": "../mixed.pt"},
        "other": {"b": "a.safetensors"},
        "number": {"a": 1},
        "twice": {"a": "a.safetensors", "b": "b.safetensors"},
    }.items():
        inner = folder / name
        inner.mkdir()
        for shard in "a.safetensors", "b.safetensors":
            (inner / shard).write_bytes(safetensors('{"a":ONE}'))
        (inner / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "nothing").mkdir()
    (folder / "unknown").mkdir()
    (folder / "unknown/notes.txt").touch()
    (folder / "saved").mkdir()
    (folder / "saved/saved_model.pb").write_bytes(b"\x08\x01")
    return {path.name: path for path in sorted(folder.iterdir())}


def npz(array, cut=0):
    """Return an .npz with one array, whose last bytes may be missing."""
    raw = io.BytesIO()
    np.lib.format.write_array(raw, array)
    return zipped(**{"a.npy": raw.getvalue()[: len(raw.getvalue()) - cut]})
