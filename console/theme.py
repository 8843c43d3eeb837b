"""Colours and type of the console, as a Gradio theme; console.css builds on its variables."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, sizes

# Whatever the reader's system has: no font is loaded from anywhere.
FONT = [
    "system-ui", "-apple-system", "Segoe UI", "Noto Sans", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
    "Noto Sans CJK SC", "sans-serif",
]  # fmt: skip
MONO = ["ui-monospace", "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", "Noto Sans Mono CJK SC", "monospace"]

INK = colors.Color(
    name="ink", c50="#eef3f8", c100="#dbe6f0", c200="#bccfe0", c300="#92b0ca", c400="#648bae", c500="#456f95",
    c600="#35597b", c700="#2c4964", c800="#273e54", c900="#1f2f40", c950="#141f2b",
)  # fmt: skip
PAPER = colors.Color(
    name="paper", c50="#faf9f7", c100="#f3f1ed", c200="#e6e2db", c300="#d3cdc3", c400="#a8a196", c500="#7b756c",
    c600="#5c5750", c700="#3b3a38", c800="#262729", c900="#1b1d20", c950="#131518",
)  # fmt: skip


def theme() -> gr.themes.Base:
    made: gr.themes.Base = gr.themes.Base(
        primary_hue=INK, secondary_hue=INK, neutral_hue=PAPER, font=FONT, font_mono=MONO,
        radius_size=sizes.radius_lg, spacing_size=sizes.spacing_md, text_size=sizes.text_md,
    )  # fmt: skip
    return made.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_800",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        block_background_fill="#ffffff",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_300",
        block_title_text_weight="500",
        block_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover="*primary_50",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        slider_color="*primary_500",
        slider_color_dark="*primary_400",
    )
