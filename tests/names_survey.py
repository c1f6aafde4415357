"""How often ``describe`` tells the class of a tensor: a survey of published models.

    python -m tests.names_survey models.json timm torchvision  # once, some minutes
    python -m tests.names_survey models.json                   # what is told of them
    python -m tests.names_survey models.json -20               # and of which it is not told

The first builds models of the named libraries, without weights, and adds the names, the shapes and
the true classes to the file. The second prints, for each library, the share of the tensors of
torch.nn's layers whose true class stands alone, first of several or later; wrong is another class
alone, and none is another several. The CLUES of ``snippets/which_layer.py`` are made with timm and
transformers; torchvision, segmentation_models_pytorch, vit_pytorch, monai and diffusers judge them.
"""

import contextlib
import inspect
import json
import re
import signal
import sys
from collections import Counter
from pathlib import Path

from tests.models.library import leave_out_kernels


def timm():
    """Yield two models of each module of timm."""
    import timm

    for module in timm.list_modules():
        for name in timm.list_models(module=module)[:2]:
            yield name, lambda name=name: timm.create_model(name)


def torchvision():
    """Yield all models of torchvision."""
    from torchvision import models

    for name in models.list_models():
        told = inspect.signature(models.get_model_builder(name)).parameters
        options = {key: None for key in ("weights", "weights_backbone") if key in told}
        yield name, lambda name=name, options=options: models.get_model(name, **options)


def transformers():
    """Yield a small model of each configuration of transformers."""
    from transformers import AutoModel
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    for config in MODEL_MAPPING:

        def make(config=config):
            made = config()
            for name in ("num_hidden_layers", "num_layers", "encoder_layers", "decoder_layers"):
                if isinstance(getattr(made, name, None), int):
                    with contextlib.suppress(Exception):
                        setattr(made, name, 2)
            return AutoModel.from_config(made)

        yield config.__name__.removesuffix("Config"), make


def segmentation_models_pytorch():
    """Yield each architecture of segmentation_models_pytorch, with two encoders."""
    import segmentation_models_pytorch as smp

    for kind in ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "PAN", "DeepLabV3"):
        for encoder in ("resnet18", "efficientnet-b0"):
            make = getattr(smp, kind)
            yield (
                f"{kind}-{encoder}",
                lambda make=make, e=encoder: make(encoder_name=e, encoder_weights=None),
            )


def vit_pytorch():
    """Yield the models of vit_pytorch that its page shows first."""
    import vit_pytorch as library
    from vit_pytorch import cait, deepvit, levit, max_vit, mobile_vit, regionvit, simple_vit

    vit = {"image_size": 64, "patch_size": 16, "num_classes": 10, "dim": 64, "depth": 2}
    vit |= {"heads": 4, "mlp_dim": 96}
    yield "vit", lambda: library.ViT(**vit)
    yield "simple_vit", lambda: simple_vit.SimpleViT(**vit)
    yield "deepvit", lambda: deepvit.DeepViT(**vit)
    yield "cait", lambda: cait.CaiT(cls_depth=2, **vit)
    more = {"stages": 3, "dim": (64, 96, 128), "depth": 2, "heads": (4, 6, 8), "mlp_mult": 2}
    yield "levit", lambda: levit.LeViT(image_size=64, num_classes=10, **more)
    yield "max_vit", lambda: max_vit.MaxViT(num_classes=10, dim=32, depth=(1, 2), dim_head=16)
    dims = {"dims": [96, 120, 144], "channels": [16, 32, 48, 48, 64, 64, 80, 80, 96, 96, 384]}
    yield "mobile_vit", lambda: mobile_vit.MobileViT((64, 64), num_classes=10, **dims)
    yield "regionvit", lambda: regionvit.RegionViT(dim=(16, 32, 64, 96), depth=(1, 1, 1, 1))


def monai():
    """Yield networks of monai, for images and volumes."""
    from monai.networks import nets

    both = [{"spatial_dims": n, "in_channels": 1, "out_channels": 2} for n in (2, 3)]
    for n, sizes in enumerate(both, 2):
        unet = {"channels": (8, 16, 32), "strides": (2, 2), "num_res_units": 1}
        yield f"UNet{n}", lambda sizes=sizes, unet=unet: nets.UNet(**sizes, **unet)
        yield f"DenseNet{n}", lambda sizes=sizes: nets.DenseNet121(**sizes)
        yield f"SegResNet{n}", lambda sizes=sizes: nets.SegResNet(**sizes)
        yield (
            f"AttentionUnet{n}",
            lambda sizes=sizes: nets.AttentionUnet(**sizes, channels=(8, 16), strides=(2,)),
        )
        yield (
            f"UNETR{n}",
            lambda sizes=sizes, n=n: nets.UNETR(
                sizes["in_channels"], sizes["out_channels"], (32,) * n, spatial_dims=n
            ),
        )
        yield f"SwinUNETR{n}", lambda sizes=sizes: nets.SwinUNETR(**sizes, feature_size=12)
        yield f"BasicUNet{n}", lambda sizes=sizes: nets.BasicUNet(**sizes)
        kernels = {"kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2]}
        yield f"DynUNet{n}", lambda sizes=sizes, kernels=kernels: nets.DynUNet(**sizes, **kernels)


def diffusers():
    """Yield models of diffusers with their own settings."""
    import diffusers

    for name in ("UNet2DModel", "UNet2DConditionModel", "AutoencoderKL", "VQModel", "UNet1DModel"):
        yield name, getattr(diffusers, name)
    for name in ("DiTTransformer2DModel", "PixArtTransformer2DModel", "AutoencoderTiny"):
        yield name, getattr(diffusers, name)
    for name in ("ControlNetModel", "PriorTransformer", "UNet3DConditionModel", "MotionAdapter"):
        yield name, getattr(diffusers, name)


TUNED = "timm", "transformers"  # the others judge the rules


def build(path, libraries):
    """Add the models of some libraries to a file."""
    import torch

    leave_out_kernels()

    def too_long(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, too_long)
    found = json.loads(path.read_text()) if path.exists() else {}
    for library in libraries:
        found[library] = {}
        for name, make in globals()[library]():
            signal.alarm(30)
            try:
                with torch.device("meta"):
                    model = make()
                found[library][name] = told_of(model)
            except Exception as error:
                print(f"{library} {name}: {type(error).__name__} {error!s:.80}")
            finally:
                signal.alarm(0)
        print(library, len(found[library]), "models", flush=True)
        path.write_text(json.dumps(found, separators=(",", ":")))


def told_of(model):
    """Return ({name: shape}, {module: class}) of a model: the classes that torch.nn has."""
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    classes = {
        name: type(module).__name__
        for name, module in model.named_modules()
        if type(module).__module__.startswith("torch.nn.modules")
    }
    return shapes, classes


def counted(states):
    """Return the tensors of torch.nn's layers whose true class stands where."""
    from snippets.describe import likely
    from snippets.storage import REGISTRY
    from snippets.which_layer import modules_of

    counts, cases = Counter(), Counter()
    for model, (shapes, classes) in states.items():
        shapes = {name: tuple(shape) for name, shape in shapes.items()}
        for prefix, own, fits in modules_of(shapes):
            labels = list(dict.fromkeys(stem(fit.layer) for fit in likely(fits)))
            for name in own:
                owners = [(prefix + name).rsplit(".", n)[0] for n in range(1, 9)]
                truths = [classes[owner] for owner in owners if owner in classes]
                truths = [stem(truth) for truth in truths if truth in REGISTRY]
                direct = classes.get((prefix + name).rpartition(".")[0])
                if direct not in REGISTRY or not REGISTRY[direct].recipe:
                    continue
                where = [n for n, label in enumerate(labels) if label in truths]
                place = "none" if not where else "later" if where[0] else "first"
                if labels[:1] and where[:1] == [0] and not labels[1:]:
                    place = "alone"
                elif labels and not labels[1:]:
                    place = "wrong"
                counts[place] += 1
                if place != "alone":
                    short = re.sub(r"\d+", "0", prefix)
                    cases[place, tuple(labels), direct, short, model] += 1
    return counts, cases


def stem(layer):
    """Return a class without the number of its axes."""
    return re.sub(r"\dd$", "", layer)


def main():
    """Build models, or print the shares."""
    path, *libraries = sys.argv[1:]
    path = Path(path)
    if libraries and not libraries[0].startswith("-"):
        return build(path, libraries)
    found = json.loads(path.read_text())
    sums = {"made with": Counter(), "judged by": Counter()}
    print(f"{'':30}{'models':>8}{'tensors':>9}", *(f"{place:>9}" for place in PLACES))
    for library, states in found.items():
        counts, cases = counted(states)
        sums["made with" if library in TUNED else "judged by"] += counts
        print(line(f"{library:30}{len(states):8}", counts))
        if libraries:
            for (place, labels, *rest), number in cases.most_common(int(libraries[0][1:])):
                print(f"    {number:5} {place:6} {' '.join(rest)}: {', '.join(labels)}")
    for side, counts in sums.items():
        print(line(f"{side:38}", counts))
    return None


def line(start, counts):
    """Return a line of shares."""
    total = sum(counts.values())
    shares = [f"{100 * counts[place] / max(total, 1):8.2f}%" for place in PLACES]
    return " ".join([f"{start}{total:9}", *shares])


PLACES = "alone", "first", "later", "wrong", "none"

if __name__ == "__main__":
    main()
