"""Detectors of transformers with random weights, small enough for tests, in folders as they are published."""

import json
from pathlib import Path
from typing import Any

import torch

CLASSES = ("person", "car", "bus")
SIDES = {"rt_detr_v2": 64, "d_fine": 64, "deimv2": 64, "rf_detr": 112, "yolos": 64}
"""Of the images that each kind is made for."""
_STAGES = ["stage2", "stage3", "stage4"]


def _configuration(kind: str) -> Any:
    import transformers as tr

    names: dict[str, Any] = {"id2label": dict(enumerate(CLASSES)), "num_queries": 20}
    if kind == "yolos":
        sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        named = {"id2label": names["id2label"], "num_detection_tokens": 20}
        return tr.YolosConfig(**sizes, **named, image_size=[64, 64], patch_size=16)
    if kind == "rf_detr":
        backbone = tr.RfDetrDinov2Config(
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            patch_size=14,
            image_size=112,
            num_windows=2,
            out_features=["stage1", "stage2"],
        )
        return tr.RfDetrConfig(backbone_config=backbone, d_model=32, decoder_layers=1, **names)
    widths = {"encoder_hidden_dim": 32, "encoder_in_channels": [16, 24, 32], "decoder_in_channels": [32, 32, 32]}
    layers = {"encoder_ffn_dim": 32, "d_model": 32, "decoder_layers": 2, "decoder_ffn_dim": 32, "num_denoising": 4}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    common: dict[str, Any] = {**names, **widths, **layers, **heads}
    if kind == "rt_detr_v2":
        residual = tr.RTDetrResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1] * 4, layer_type="basic", out_features=_STAGES
        )
        return tr.RTDetrV2Config(backbone_config=residual, decoder_n_points=2, **common)
    backbone = tr.HGNetV2Config(
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 8, 16, 24],
        stage_mid_channels=[8] * 4,
        stage_out_channels=[8, 16, 24, 32],
        stage_num_blocks=[1] * 4,
        stage_numb_of_layers=[1] * 4,
        hidden_sizes=[8, 16, 24, 32],
        out_features=_STAGES,
    )
    made = tr.DFineConfig if kind == "d_fine" else tr.Deimv2Config
    return made(backbone_config=backbone, decoder_n_points=[2, 2, 2], **common)


def write_model(kind: str, folder: Path, side: int | None = None) -> Path:
    """A model of a kind, with spread scores, its preprocessor for images of a size, and its card."""
    import transformers as tr

    torch.manual_seed(0)
    config = _configuration(kind)
    model = tr.MODEL_FOR_OBJECT_DETECTION_MAPPING[type(config)](config)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "class_embed" in name or "class_labels_classifier" in name or "score_head" in name:
                values.normal_(0, 0.3)
            elif values.ndim == 4:  # as made, next to nothing is left of the picture, and all queries are as likely
                values.normal_(0, 1.5 / values[0].numel() ** 0.5)
    model.save_pretrained(folder)
    side, normal = side or SIDES[kind], kind in ("rf_detr", "yolos")
    size = {"shortest_edge": side, "longest_edge": side} if kind == "yolos" else {"height": side, "width": side}
    processor = {"rf_detr": "RfDetrImageProcessor", "yolos": "YolosImageProcessor"}.get(kind, "RTDetrImageProcessor")
    described = {"image_processor_type": processor, "size": size, "do_normalize": normal, "do_pad": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(described))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    return folder
