"""What the frameworks in this environment know and see, for `ordebug doctor`."""

from __future__ import annotations


def llamafactory_formats() -> frozenset[str]:
    """The dataset formats that LLaMA-Factory knows after its own import, ours among them if the hook worked."""
    from llamafactory.data.converter import DATASET_CONVERTERS  # noqa: PLC0415  # only where it is installed

    return frozenset(DATASET_CONVERTERS)


def gpu_names() -> tuple[str, ...]:
    """Names of the CUDA devices that PyTorch sees."""
    import torch  # noqa: PLC0415  # only where it is installed

    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
