"""The web console: pages only; rights and data are the daemon's."""

import os

# Gradio and huggingface_hub read these when they are imported; nothing of this host is told to anybody.
os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False",
    GRADIO_RUN_HISTORY="False",
    GRADIO_MCP_SERVER="False",
    GRADIO_SSR_MODE="False",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_OFFLINE="1",
)
