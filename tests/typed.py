"""What programs import has types: never run, read by the type checker in tests/test_types.py."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from snippets import checkpoints
from snippets.describe import describe
from snippets.parity import compare, record
from snippets.quantized import dequantized, from_gptq
from snippets.state_dict import under
from snippets.storage import Tensor, candidates, stored

path = Path("model.npz")
arrays = checkpoints.load_npz(path)
assert_type(arrays, dict[str, NDArray[Any]])
assert_type(checkpoints.load_safetensors("model.safetensors"), dict[str, NDArray[Any]])
assert_type(checkpoints.safetensors_header(path), dict[str, dict[str, Any]])
assert_type(checkpoints.save_npz(path, {"weight": [1.0, 2.0]}), None)
assert_type(checkpoints.save_safetensors(path, arrays, ["weight"], {"format": "np"}), None)
assert_type(checkpoints.load(path), Any)
assert_type(checkpoints.load_torch(path), Any)
model = checkpoints.StandIn("torch.nn.Linear", ())
assert_type(checkpoints.state_dict_of(model), tuple[dict[str, Any], dict[str, str]])
assert_type(under(arrays, "encoder"), dict[str, NDArray[Any]])
assert_type(under({"encoder.weight": 3}, "encoder"), dict[str, int])
assert_type(describe(arrays), str)
assert_type(stored("Linear", in_features=3, out_features=2), dict[str, tuple[int, ...]])
assert_type(candidates("weight", (3, 2)), list[tuple[str, Tensor, dict[str, int]]])
assert_type(record(path, print, np.ones(3), mask=None), None)
assert_type(compare(arrays, {"output": np.ones(3)}), list[str])
assert_type(dequantized(arrays), dict[str, Any])
assert_type(from_gptq(arrays, checkpoint_format="gptq_v2"), np.ndarray)
