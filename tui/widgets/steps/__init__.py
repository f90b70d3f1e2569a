"""The steps of the wizard: each shows the draft and says what the person changed; none decides anything."""
