"""Keys that take effect in the order in which they were pressed, in widgets that are written in.

Textual lets such a widget take letters at once, but looks for the binding of any other key only when that has bubbled
up to the app. When keys come faster than the screen follows, as over a slow line, letters overtake a Backspace or an
Enter that was pressed before them.
"""

from textual import events
from textual.widget import Widget


async def take_own_key(widget: Widget, event: events.Key) -> None:
    """Run the widget's own binding for a key at once, if it has one; the event is then done with."""
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):
        if not binding.priority and await widget.app.run_action(binding.action, widget):
            event.stop()
            event.prevent_default()  # or the base class's handler takes it as well
            return
