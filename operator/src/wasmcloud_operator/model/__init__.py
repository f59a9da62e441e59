"""Values that the whole operator speaks in: keys, views of objects, conditions. Pure."""
