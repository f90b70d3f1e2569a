"""The look: one dark theme, restrained. Colour marks what to look at; it never says anything that a word does not."""

from textual.theme import Theme

SAGE = Theme(
    name="sage",
    dark=True,
    primary="#8fb996",
    secondary="#6f8f9f",
    accent="#e0b872",
    foreground="#d8dbd5",
    background="#14181a",
    surface="#1a1f22",
    panel="#242b2f",
    success="#8fb996",
    warning="#e0b872",
    error="#d98277",
    variables={
        "border": "#39444a",
        "border-blurred": "#2b3337",
        "footer-background": "#1a1f22",
        "footer-key-foreground": "#8fb996",
        "footer-description-foreground": "#9aa5a3",
        "input-cursor-background": "#d8dbd5",
        "input-selection-background": "#8fb996 30%",
        "block-cursor-background": "#2f3d38",
        "block-cursor-foreground": "#eef2ec",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#232b2d",
        "block-cursor-blurred-foreground": "#d8dbd5",
        "button-foreground": "#d8dbd5",
        "button-color-foreground": "#14181a",
        "scrollbar": "#39444a",
        "scrollbar-hover": "#4b585f",
        "scrollbar-active": "#8fb996",
        "scrollbar-background": "#1a1f22",
        "scrollbar-background-hover": "#1a1f22",
        "scrollbar-background-active": "#1a1f22",
        "scrollbar-corner-color": "#1a1f22",
        "link-color": "#8fb996",
    },
)
"""The theme every session starts with."""
