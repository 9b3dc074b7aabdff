"""From sections to one configuration in force, or to every error in them: references, and checks across sections."""
